// What the pages do beyond HTML: clocks that tick, buttons that copy, and lists that stay open when a page refreshes
// itself. Everything works without it.
"use strict";

(() => {
  // ---- clocks: <time data-clock="down|up" data-at="epoch seconds"> shows m:ss to or since that moment ----
  const served = Number(document.documentElement.dataset.now) * 1000;
  const ahead = served ? served - Date.now() : 0; // the server's clock decides, not this device's

  const span = (seconds) => {
    const whole = Math.floor(Math.abs(seconds));
    const hours = Math.floor(whole / 3600);
    const minutes = Math.floor((whole % 3600) / 60);
    const two = (n) => String(n).padStart(2, "0");
    return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
  };

  const tick = () => {
    const now = (Date.now() + ahead) / 1000;
    for (const clock of document.querySelectorAll("[data-clock]")) {
      const at = Number(clock.dataset.at);
      const left = clock.dataset.clock === "down" ? at - now : now - at;
      const frame = clock.dataset.clock === "up" ? "0:00" : left < 0 ? clock.dataset.late : clock.dataset.ahead;
      clock.textContent = frame.replace("0:00", span(left));
    }
  };
  setInterval(tick, 1000);

  // ---- copy buttons: <button data-copy="text"> or data-copy-from="#id of an element" ----
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy],[data-copy-from]");
    if (!button || !navigator.clipboard) return;
    const source = button.dataset.copyFrom && document.querySelector(button.dataset.copyFrom);
    await navigator.clipboard.writeText(source ? source.textContent : button.dataset.copy);
    button.classList.add("done");
    button.setAttribute("aria-label", button.dataset.copied);
    setTimeout(() => button.classList.remove("done"), 2000);
  });

  // ---- pages that refresh themselves: what was opened stays open, what is being typed is not replaced ----
  const open = new Set();
  document.addEventListener("htmx:oobBeforeSwap", (event) => {
    const target = event.detail.target;
    if (target.contains(document.activeElement) && document.activeElement.matches("input, textarea, select")) {
      event.detail.shouldSwap = false;
      return;
    }
    for (const details of target.querySelectorAll("details[id]")) {
      if (details.open) open.add(details.id);
      else open.delete(details.id);
    }
  });
  document.addEventListener("htmx:oobAfterSwap", () => {
    for (const id of open) {
      const details = document.getElementById(id);
      if (details) details.open = true;
    }
  });

  // an acknowledged press is shown at once: a form is sent one time, however often it is pressed
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "1";
    setTimeout(() => delete form.dataset.sent, 5000);
  });
})();
