// Refreshes the parts of a page that change while somebody looks at it. Every page is complete without this file.
(() => {
  "use strict";
  const token = document.body.dataset.xsrf;
  const headers = token ? { "X-XSRFToken": token } : {};
  let busy = false;
  let again = false;

  // Fetch the page anew and exchange its live parts, unless somebody is using one of them.
  const refresh = async () => {
    if (busy) { again = true; return; }
    busy = true;
    try {
      const answer = await fetch(location.href, { headers, credentials: "same-origin", cache: "no-store" });
      if (answer.ok) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const part of document.querySelectorAll("[data-live]")) {
          const fresh = page.querySelector(`[data-live="${part.dataset.live}"]`);
          if (!fresh || part.contains(document.activeElement) || part.innerHTML === fresh.innerHTML) continue;
          part.replaceWith(fresh);
        }
      }
    } catch (_) { /* the next event or tick tries again */ }
    busy = false;
    if (again) { again = false; refresh(); }
  };

  // Boards: the server says when something changed. Nothing is held open for a tab that nobody sees.
  const board = document.querySelector("[data-events]");
  if (board && "EventSource" in window) {
    let source = null;
    let last = null;
    const follow = () => {
      if (document.hidden) { if (source) source.close(); source = null; return; }
      if (source) return;
      source = new EventSource(board.dataset.events);
      source.addEventListener("board", (event) => {
        if (last !== null && event.data !== last) refresh();
        last = event.data;
      });
    };
    document.addEventListener("visibilitychange", follow);
    window.addEventListener("pagehide", () => { if (source) source.close(); });
    follow();
  }

  // Attempts that wait or run: look again while they do.
  setInterval(() => {
    if (!document.hidden && document.querySelector("[data-pending]")) refresh();
  }, 1500);
})();
