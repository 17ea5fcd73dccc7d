// Reads an open page again when the platform says that something has changed. Every page works without this.
"use strict";
(() => {
  const path = document.body.dataset.live;
  if (!path || !window.EventSource) return;
  let seen = "", reading = false;
  const say = (word) => {
    const state = document.querySelector("[data-state]");
    if (!state) return;
    state.textContent = word;
    state.className = word === "live" ? "tag good" : word ? "tag watch" : "";
  };
  const read = async () => {
    // What a person selects or fills in stays.
    if (reading || document.hidden || String(getSelection())) return;
    reading = true;
    try {
      const response = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (!response.ok) return say("old");
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      document.title = page.title;
      for (const part of page.querySelectorAll("[data-region]")) {
        const old = document.querySelector(`[data-region="${part.dataset.region}"]`);
        if (!old) continue;
        for (const { id } of old.querySelectorAll("details[open]"))
          part.querySelector(`#${CSS.escape(id)}`)?.setAttribute("open", "");
        if (old.innerHTML === part.innerHTML) continue;
        const held = old.contains(document.activeElement) ? document.activeElement : null;
        const link = held?.getAttribute("href"), box = held?.closest("details")?.id;
        old.replaceChildren(...part.childNodes);
        const again = link ? `[href="${CSS.escape(link)}"]` : box ? `#${CSS.escape(box)} > summary` : null;
        if (again) old.querySelector(again)?.focus({ preventScroll: true });
      }
      say("live");
    } catch {
      say("old");
    } finally {
      reading = false;
    }
  };
  const events = new EventSource(path);
  events.onopen = () => say("live");
  events.onerror = () => say("no connection");
  events.onmessage = ({ data }) => {
    if (seen && data !== seen) read();
    seen = data;
  };
  document.addEventListener("visibilitychange", read);
})();
