// Everything here is an addition: without it the pages can be read, filtered and used.

// A link of `trackbridge console` has its code behind the #, which no server and no log sees. It is sent by the form.
const form = document.querySelector("[data-login]");
const code = /^#code=([a-z0-9-]+)$/.exec(location.hash);
if (form && code) {
  history.replaceState(null, "", location.pathname + location.search);
  form.querySelector("[name=key]").value = code[1];
  form.submit();
}

const $$ = (q, at = document) => [...at.querySelectorAll(q)];
const ids = (el, name) => (el.dataset[name] || "").split(" ").filter(Boolean).map((id) => document.getElementById(id)).filter(Boolean);

// Where did this value come from: a field lights its body lines and mapping lines, and each of those lights the field.
for (const wired of $$("[data-wired]")) {
  const wires = wired.querySelector(".wires");
  let pinned = null;
  const clear = () => { $$(".hot, .warm", wired).forEach((el) => el.classList.remove("hot", "warm")); if (wires) wires.replaceChildren(); };
  const wire = (from, to, weak) => {
    const base = wired.getBoundingClientRect(), a = from.getBoundingClientRect(), b = to.getBoundingClientRect();
    const [x1, y1, x2, y2] = [a.right - base.left, a.top + Math.min(a.height, 19) / 2 - base.top, b.left - base.left, b.top + Math.min(b.height, 19) / 2 - base.top];
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", `M${x1 - 46} ${y1}C${x1 + 4} ${y1} ${x2 - 30} ${y2} ${x2 + 9} ${y2}`);
    if (weak) path.classList.add("weak");
    wires.append(path);
  };
  const light = (fields) => {
    clear();
    for (const field of fields) {
      const hot = ids(field, "hot"), warm = ids(field, "warm");
      field.classList.add("hot");
      hot.forEach((el) => el.classList.add("hot"));
      warm.forEach((el) => el.classList.contains("hot") || el.classList.add("warm"));
      if (!wires || fields.length > 2) continue;
      const line = hot.find((el) => /^L\d/.test(el.id));
      const seen = (el) => { const p = el.closest(".scroller")?.getBoundingClientRect(), r = el.getBoundingClientRect(); return !p || (r.top >= p.top - 2 && r.bottom <= p.bottom + 2); };
      if (line && seen(line) && seen(field)) wire(line, field);
      if (line && seen(line)) hot.filter((el) => el !== line && seen(el)).forEach((el) => wire(el, line));
    }
  };
  const fieldsOf = (el) => { const f = el.closest(".f"); if (f) return [f]; const l = el.closest("[data-to]"); return l ? ids(l, "to") : null; };
  const back = () => (pinned ? light(pinned) : clear());
  wired.addEventListener("pointerover", (e) => { const f = fieldsOf(e.target); if (f) light(f); });
  wired.addEventListener("pointerleave", back);
  wired.addEventListener("focusin", (e) => { const f = fieldsOf(e.target); if (f) light(f); });
  wired.addEventListener("keydown", (e) => { if (e.key === "Enter" || e.key === " ") { const f = e.target.closest(".f"); if (f === e.target) { e.preventDefault(); pinned = [f]; bring(f); } } if (e.key === "Escape") { pinned = null; clear(); } });
  wired.addEventListener("click", (e) => { const f = fieldsOf(e.target); if (!f || e.target.closest("a")) return; e.preventDefault(); pinned = pinned && pinned[0] === f[0] ? null : f; back(); if (pinned) bring(pinned[0]); });
  // The panes scroll so that what belongs together stands side by side.
  const bring = (field) => {
    const level = field.getBoundingClientRect().top, done = new Set([field.closest(".scroller")]);
    for (const el of ids(field, "hot")) {
      const pane = el.closest(".scroller");
      if (!pane || done.has(pane)) continue;
      done.add(pane);
      pane.scrollTop += el.getBoundingClientRect().top - level;
    }
    light([field]);
  };
  $$(".scroller", wired).forEach((pane) => pane.addEventListener("scroll", () => back(), { passive: true }));
  addEventListener("resize", back);
  wired.addEventListener("renewed", () => { pinned = null; clear(); });
  const first = location.hash && document.querySelector(location.hash);
  if (first && fieldsOf(first)) { pinned = fieldsOf(first); light(pinned); }
}

// A slash leads to the search, as in most lists of the web.
addEventListener("keydown", (e) => {
  const field = document.querySelector(".search input");
  if (e.key !== "/" || !field || e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input, textarea, select, [contenteditable]")) return;
  e.preventDefault();
  field.focus();
});

// The theme: as the system says, light, or dark. The server renders it from the cookie, so that nothing flashes.
const themes = ["", "light", "dark"];
const base = document.querySelector(".brand")?.getAttribute("href") || "/";
$$("[data-theme-button]").forEach((button) => {
  button.hidden = false;
  button.addEventListener("click", () => {
    const next = themes[(themes.indexOf(document.documentElement.dataset.theme || "") + 1) % 3];
    if (next) document.documentElement.dataset.theme = next; else delete document.documentElement.dataset.theme;
    document.cookie = `trackbridge_theme=${next}; path=${base}; max-age=${next ? 31536000 : 0}; samesite=lax`;
  });
});

// The time zone of this browser, chosen by one click.
for (const button of $$("[data-own-zone]")) {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  button.hidden = !zone;
  button.addEventListener("click", () => { button.form.elements.zone.value = zone; button.form.submit(); });
}

// Copies what stands beside the button; a page over plain HTTP has no clipboard of its own.
for (const button of $$("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const text = button.closest(".copy").querySelector("code").innerText.trim();
    try { await navigator.clipboard.writeText(text); } catch { const area = document.createElement("textarea"); area.value = text; document.body.append(area); area.select(); document.execCommand("copy"); area.remove(); }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1600);
  });
}

// A part of a page that follows what happens: it is asked for every two seconds, while the page is seen.
for (const part of $$("[data-refresh]")) {
  let shown = part.innerHTML.trim();
  setInterval(async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(part.dataset.refresh, { redirect: "error" });
      const text = answer.status === 200 ? (await answer.text()).trim() : shown;
      if (text !== shown) part.innerHTML = text;
      shown = text;
    } catch { /* the bridge restarts, or the session has ended */ }
  }, 2000);
}

// A list that stays open: every second the rows that came since, while the page is seen and not paused.
for (const button of $$("[data-live]")) {
  const rows = document.querySelector("[data-rows]");
  let address = new URL(button.dataset.live, location.href), paused = false, asking = false;
  button.hidden = false;
  button.addEventListener("click", () => {
    paused = !paused;
    button.firstChild.textContent = paused ? "Go on " : "Pause ";
    button.querySelector(".live").hidden = paused;
  });
  setInterval(async () => {
    if (paused || asking || document.hidden) return;
    asking = true;
    try {
      const answer = await fetch(address, { redirect: "error" });
      if (answer.status === 200) {
        const fresh = document.createElement("template");
        fresh.innerHTML = await answer.text();
        $$("tr", fresh.content).forEach((row) => row.classList.add("new"));
        rows.prepend(fresh.content);
        $$("tr", rows).slice(500).forEach((row) => row.remove());
      }
      if (answer.ok && answer.headers.get("X-Newest")) address.searchParams.set("after", answer.headers.get("X-Newest"));
    } catch { /* the bridge restarts, or the session has ended: the next look says so */ }
    asking = false;
  }, 1000);
}

// The playground: what a draft makes is shown while it is written; the form does the same without this.
for (const form of $$("[data-playground]")) {
  const area = form.querySelector("textarea"), wired = form.querySelector("[data-wired]");
  const part = (name, at = document) => at.querySelector(`[data-part="${name}"]`);
  let waiting = 0, asked = 0, running = null;
  // The numbers beside the draft follow its lines at once, before anything is asked.
  const number = () => {
    const layer = part("layer"), count = area.value.split("\n").length - (area.value.endsWith("\n") ? 1 : 0) || 1;
    while (layer.childElementCount > count) layer.lastElementChild.remove();
    while (layer.childElementCount < count) {
      const line = document.createElement("div"), no = document.createElement("span");
      line.className = "l"; no.className = "no";
      line.id = `L${layer.childElementCount + 1}`; no.textContent = layer.childElementCount + 1;
      line.append(no); layer.append(line);
    }
    area.rows = count + 2;
  };
  const bring = (line) => { const pane = line?.closest(".scroller"); if (pane) pane.scrollTop = Math.max(0, line.offsetTop - pane.clientHeight / 3); };
  const show = (page) => {
    for (const old of $$("[data-part]")) {
      const fresh = part(old.dataset.part, page);
      if (fresh) old.replaceChildren(...fresh.childNodes);
    }
    number();
    wired.dispatchEvent(new Event("renewed"));
  };
  const ask = async (more = {}) => {
    const turn = ++asked, body = new URLSearchParams(new FormData(form));
    for (const [name, value] of Object.entries(more)) body.set(name, value);
    running?.abort();
    running = new AbortController();
    try {
      const answer = await fetch(form.action, { method: "POST", body, redirect: "error", signal: running.signal });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (turn !== asked) return;
      if (answer.ok) show(page); else part("summary").textContent = page.querySelector("main, body").innerText.trim();
    } catch { if (turn === asked) part("summary").textContent = "There was no answer. It is tried again at the next change."; }
  };
  area.addEventListener("input", () => { number(); clearTimeout(waiting); waiting = setTimeout(ask, 400); });
  form.addEventListener("change", (e) => { if (e.target === area) return; form.elements.on.value = ""; ask(); });
  form.addEventListener("submit", (e) => {
    if (!e.submitter || "plain" in e.submitter.dataset) return;
    e.preventDefault();
    const pick = e.submitter.name === "pick" ? { pick: e.submitter.value } : {};
    if (pick.pick) form.elements.on.value = pick.pick;
    ask(pick).then(() => { if (pick.pick) form.scrollIntoView(); });
  });
  bring(form.querySelector(".l.err, .l.failed") || document.querySelector(".f")?.dataset.hot.split(" ").map((id) => document.getElementById(id)).find((el) => el?.closest(".layer")));
}
