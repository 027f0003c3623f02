"""The web service of the hub: competitions, leaderboards, attempts, and the exchange's API.

It stores attempts and reads results. It holds no solution and imports no code that scores or grades.
"""
