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
        if (!old || old.innerHTML === part.innerHTML) continue;
        const held = document.activeElement;
        const link = old.contains(held) ? held.getAttribute("href") : null;
        old.replaceChildren(...part.childNodes);
        if (link) old.querySelector(`[href="${CSS.escape(link)}"]`)?.focus({ preventScroll: true });
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
