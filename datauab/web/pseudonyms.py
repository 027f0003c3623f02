"""Pseudonyms: two words and a number, such as "Quiet Otter 42", that say nothing about who bears them."""

from __future__ import annotations

import secrets

_FIRST_WORDS = (
    "Amber Ample Agile Ardent Autumn Azure Balmy Bold Brave Breezy Bright Brisk Calm Candid Careful Cheerful Clever "
    "Coastal Cobalt Copper Coral Cosmic Crimson Crisp Curious Daring Deft Dusky Eager Early Earnest Fabled Fearless "
    "Floral Frosty Gentle Gilded Glad Golden Graceful Grand Hazel Hidden Honest Humble Indigo Ivory Jade Jolly Keen "
    "Kindly Lively Loyal Lucid Lunar Mellow Merry Mighty Misty Modest Nimble Noble Patient Pearly Placid Plucky Polar "
    "Proud Quick Quiet Rapid Ready Rustic Sage Scarlet Serene Silent Silver Sincere Smooth Snowy Solar Steady Stellar "
    "Sturdy Sunny Swift Tidal Tidy Tranquil Upbeat Velvet Vivid Warm Wise Witty Zesty"
)

_SECOND_WORDS = (
    "Albatross Alpaca Badger Bat Beaver Bison Bittern Buffalo Camel Caracal Chamois Cicada Cormorant Cougar Crane "
    "Cricket Curlew Dolphin Dormouse Dove Dragonfly Eagle Egret Eider Falcon Ferret Finch Firefly Flamingo Fox Gannet "
    "Gazelle Gecko Genet Goldfinch Goshawk Grebe Hare Harrier Hedgehog Heron Hoopoe Ibex Ibis Jackdaw Jay Kestrel "
    "Kingfisher Kite Lapwing Lark Lemur Lizard Llama Lynx Magpie Mallard Marmot Marten Merlin Mole Moth Narwhal Newt "
    "Nightingale Nuthatch Octopus Oriole Osprey Otter Owl Oyster Panda Partridge Pelican Petrel Pigeon Plover Puffin "
    "Quail Raven Robin Salamander Sandpiper Seal Shrew Sparrow Squirrel Starling Stoat Stork Swallow Swan Swift Tern "
    "Thrush Toad Tortoise Trout Turtle Vole Wagtail Walrus Warbler Weasel Whale Wren"
)

FIRST, SECOND = _FIRST_WORDS.split(), _SECOND_WORDS.split()


def random_pseudonym() -> str:
    """Draw a pseudonym; it comes from the system's own randomness and not from the account."""
    return f"{secrets.choice(FIRST)} {secrets.choice(SECOND)} {10 + secrets.randbelow(990)}"


def is_pseudonym(name: str) -> bool:
    """Whether `name` could have been drawn."""
    parts = name.split(" ")
    if len(parts) != 3 or parts[0] not in FIRST or parts[1] not in SECOND:
        return False
    return parts[2].isascii() and parts[2].isdigit() and 10 <= int(parts[2]) < 1000
