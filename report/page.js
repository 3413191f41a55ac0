"use strict";
(() => {
  const $ = (s, e = document) => e.querySelector(s);
  const all = (s, e = document) => [...e.querySelectorAll(s)];
  const read = id => JSON.parse($("#" + id).textContent);
  // Text enters the page as text nodes only; nothing here parses markup.
  const el = (tag, cls, ...kids) => {
    const e = document.createElement(tag);
    if (cls) e.className = cls;
    e.append(...kids);
    return e;
  };
  const number = n => n.toLocaleString("en-US");
  const root = document.documentElement;

  // Theme: the system's, unless the reader chose. A page opened from a file may have no storage.
  const themes = ["system", "light", "dark"];
  const theme = $("#theme");
  const keep = (v) => { try { v === "system" ? localStorage.removeItem("tickmark.theme") : localStorage.setItem("tickmark.theme", v); } catch { /* not kept */ } };
  const kept = () => { try { return localStorage.getItem("tickmark.theme"); } catch { return null; } };
  const setTheme = v => {
    if (!themes.includes(v)) v = "system";
    v === "system" ? delete root.dataset.theme : root.dataset.theme = v;
    theme.textContent = "Theme: " + v;
    theme.dataset.now = v;
  };
  theme.hidden = false;
  setTheme(kept() || "system");
  theme.onclick = () => { const v = themes[(themes.indexOf(theme.dataset.now) + 1) % 3]; setTheme(v); keep(v); };

  // Definitions, on hover and on focus; Escape hides them.
  const tip = $("#tip");
  const showTip = e => {
    const t = e.target.closest && e.target.closest("[data-tip]");
    if (!t) return;
    tip.textContent = t.dataset.tip;
    tip.hidden = false;
    t.setAttribute("aria-describedby", "tip");
    const r = t.getBoundingClientRect(), w = tip.offsetWidth, h = tip.offsetHeight;
    tip.style.left = Math.max(8, Math.min(r.left, innerWidth - w - 8)) + "px";
    tip.style.top = (r.bottom + h + 12 < innerHeight ? r.bottom + 6 : Math.max(8, r.top - h - 6)) + "px";
  };
  const hideTip = () => { tip.hidden = true; all("[aria-describedby=tip]").forEach(e => e.removeAttribute("aria-describedby")); };
  document.addEventListener("mouseover", showTip);
  document.addEventListener("focusin", showTip);
  document.addEventListener("mouseout", hideTip);
  document.addEventListener("focusout", hideTip);
  document.addEventListener("scroll", hideTip, { passive: true });

  const form = $("#filters");
  addEventListener("beforeprint", () => all("details.paper").forEach(d => { d.open = true; }));
  if (!form) return;

  const meta = read("meta"); // checks, criteria, reasons, signs
  const sign = meta.signs;
  const rows = all("tbody.row");
  const table = $("#table");
  const cache = new Map();
  const data = i => { // results of one check, parsed when first needed
    if (!cache.has(i)) {
      const d = read("r" + i), s = d.s || [];
      const name = ["id", "type", "reason", "message", "condition", "field", "path", "found", "wanted", "nearMiss", "related", "called"];
      cache.set(i, (d.g || []).map(g => ({
        v: g.v, total: g.n,
        rows: g.r.map(r => Object.fromEntries(r.map((x, k) => [name[k], k ? s[x] : x]))),
      })));
    }
    return cache.get(i);
  };

  // The state of the view lives in the address: q, verdict, severity, area, criterion, reason, check.
  let view;
  const lists = ["verdict", "severity", "check"];
  const parse = hash => {
    const p = new URLSearchParams(hash.replace(/^#/, ""));
    const v = { q: p.get("q") || "", area: p.get("area") || "", criterion: p.get("criterion") || "", reason: p.get("reason") || "" };
    for (const k of lists) v[k] = (p.get(k) || "").split(",").filter(Boolean);
    return v;
  };
  const address = () => {
    const p = new URLSearchParams();
    for (const k of ["q", "verdict", "severity", "area", "criterion", "reason", "check"]) {
      const x = lists.includes(k) ? view[k].join(",") : view[k];
      if (x) p.set(k, x);
    }
    return p.toString();
  };
  const remember = () => { const a = address(); history.replaceState(null, "", a ? "#" + a : location.pathname + location.search); };

  const text = c => c.text || (c.text = [c.id, c.title, c.area, ...c.codes, ...c.types].join("\n").toLowerCase());
  const inResult = (r, q) => r.id.toLowerCase().includes(q) || r.called.toLowerCase().includes(q) || r.type.toLowerCase().includes(q) || r.path.toLowerCase().includes(q);
  const matches = (c, i) => {
    if (view.verdict.length && !view.verdict.some(v => c.state === v || c.counts[v] > 0)) return false;
    if (view.severity.length && !view.severity.includes(c.severity)) return false;
    if (view.area && c.area !== view.area) return false;
    if (view.criterion && !c.codes.includes(view.criterion)) return false;
    if (view.reason && !c.reasons[view.reason]) return false;
    const q = view.q.trim().toLowerCase();
    return !q || text(c).includes(q) || data(i).some(g => (!view.verdict.length || view.verdict.includes(g.v)) && g.rows.some(r => inResult(r, q)));
  };

  const apply = () => {
    let n = 0;
    for (const row of rows) {
      const i = +row.dataset.i, c = meta.checks[i];
      row.hidden = !matches(c, i);
      if (!row.hidden) n++;
      setOpen(row, view.check.includes(c.id));
    }
    $("#showing").textContent = n === rows.length ? number(n) + (n === 1 ? " check" : " checks") : number(n) + " of " + number(rows.length) + " checks";
    const filtered = ["q", "area", "criterion", "reason"].some(k => view[k]) || view.verdict.length || view.severity.length;
    $("#clear").hidden = !filtered;
    $("#nomatch").hidden = n > 0;
    form.q.value = view.q;
    form.area.value = view.area;
    form.criterion.value = view.criterion;
    if (form.reason) form.reason.value = view.reason;
    all("input[type=checkbox]", form).forEach(b => { b.checked = view[b.name].includes(b.value); });
    about();
    all(".tile").forEach(t => { t.dataset.code === view.criterion ? t.setAttribute("aria-current", "true") : t.removeAttribute("aria-current"); });
  };

  const about = () => { // what the chosen criterion is
    const box = $("#about"), c = meta.criteria.find(c => c.code === view.criterion);
    box.hidden = !c;
    if (!c) return;
    const s = sign[c.state];
    const state = el("span", "state s-" + c.state, el("span", "mark", s.mark), s.word);
    box.replaceChildren(el("h3", "", c.code + " " + c.title), el("p", "", state),
      el("p", "muted", "Automation: " + c.automation + ". No check replaces people’s evidence; this criterion needs it as well."));
  };

  const setOpen = (row, open) => {
    const b = $(".toggle", row), d = $(".detail", row);
    b.setAttribute("aria-expanded", open);
    row.classList.toggle("open", open);
    d.hidden = !open;
    if (open && !row.hidden) results(row);
  };

  const results = row => {
    const i = +row.dataset.i, c = meta.checks[i], box = $("[data-results]", row);
    const q = view.q.trim().toLowerCase(), narrow = q && !text(c).includes(q);
    const key = [view.verdict.join(), view.reason, narrow ? q : ""].join("|");
    if (box.dataset.key === key) return;
    box.dataset.key = key;
    const wanted = view.reason ? ["unknown"] : view.verdict;
    const groups = data(i).filter(g => !wanted.length || wanted.includes(g.v));
    if (!data(i).length) return;
    box.replaceChildren(...groups.map(g => 
      group(c, g, g.rows.filter(r => (!narrow || inResult(r, q)) && (!view.reason || r.reason === view.reason)), narrow || view.reason)));
    if (!groups.length) box.append(el("p", "muted", "No result of this check has the chosen verdict."));
  };

  const page = 25;
  const group = (c, g, list, narrow) => {
    const s = sign[g.v];
    const head = el("h4", "s-" + g.v, el("span", "mark", s.mark), number(g.total) + " " + s.word);
    if (narrow) head.append(el("span", "muted", number(list.length) + " of these on this page match"));
    const box = el("div", "group", head), ul = el("div", "list");
    box.append(ul);
    let shown = 0;
    const more = el("button", "plain more");
    more.type = "button";
    const next = () => {
      const from = shown;
      shown = Math.min(list.length, shown + page);
      ul.append(...list.slice(from, shown).map(r => result(g.v, r)));
      more.hidden = shown >= list.length;
      more.textContent = "Show " + number(Math.min(page, list.length - shown)) + " more of " + number(list.length - shown);
    };
    more.onclick = () => { const last = ul.lastElementChild; next(); const n = last && last.nextElementSibling; if (n) $("summary", n).focus(); };
    next();
    box.append(more);
    if (g.rows.length < g.total) {
      box.append(el("p", "left", "This page holds the first " + number(g.rows.length) + " of these " + number(g.total) + ". All of them: tickmark assess with ",
        el("code", "", "--show check=" + c.id), ", ", el("code", "", "--json"), " or ", el("code", "", "--csv"), "."));
    }
    return box;
  };

  const shorten = (s, n) => s.length <= n ? s : s.slice(0, n / 3 | 0) + "…" + s.slice(s.length - (2 * n / 3 | 0));
  const result = (v, r) => {
    const s = sign[v], name = r.called || r.id.replace(/\/+$/, "").split("/").pop() || r.id;
    const sum = el("summary", "s-" + v, el("span", "mark", s.mark), el("span", "name", name, el("span", "sr", ", " + s.word)));
    if (name !== r.id) sum.append(el("span", "where mono", shorten(r.id, 84)));
    const cond = condition(v, r);
    if (cond) sum.append(cond);
    const d = el("details", "result", sum);
    d.ontoggle = () => { if (d.open && !$("dl", d)) d.append(facts(v, r)); };
    return d;
  };
  const condition = (v, r) => {
    if (v === "unknown") return el("span", "cond", (meta.reasons[r.reason] || [r.reason])[0]);
    if (v === "pass" || v === "notApplicable") return null;
    if (!r.path && !r.field) return r.message ? el("span", "cond", r.message) : null;
    return el("span", "cond", el("code", "", r.path || r.field), ": found ", el("code", "", shorten(r.found || "nothing", 80)), ", wanted ", el("code", "", shorten(r.wanted || "not stated", 80)));
  };
  const facts = (v, r) => {
    const dl = el("dl", "kv");
    const add = (k, t, code) => { if (t) dl.append(el("dt", "", k), el("dd", "", typeof t === "string" && code ? el("code", "", t) : t)); };
    const copy = el("button", "copy", "copy");
    copy.type = "button";
    copy.onclick = () => navigator.clipboard && navigator.clipboard.writeText(r.id).then(() => { copy.textContent = "copied"; setTimeout(() => { copy.textContent = "copy"; }, 1500); }, () => {});
    add("Resource", el("span", "", el("code", "", r.id), copy));
    add("Name", r.called);
    add("Type", r.type, true);
    if (v === "unknown") {
      const [what, next] = meta.reasons[r.reason] || [r.reason, ""];
      add("Reason", r.reason + (what ? ": " + what : ""));
      add("Next", next);
    }
    add("Message", r.message);
    add("Condition", r.condition, true);
    add("Field", r.field, true);
    add("Path", r.path, true);
    add("Found", r.found, true);
    add("Wanted", r.wanted, true);
    add("Near miss", r.nearMiss);
    add("Related", r.related, true);
    return dl;
  };

  // Events
  form.hidden = false;
  form.onsubmit = e => e.preventDefault();
  form.oninput = e => {
    const b = e.target;
    if (b.type === "checkbox") view[b.name] = all("input[name=" + b.name + "]:checked", form).map(x => x.value);
    else view[b.name] = b.value;
    remember();
    apply();
  };
  const clear = e => { e.preventDefault(); view = { ...parse(""), check: view.check }; remember(); apply(); form.q.focus(); };
  form.onreset = clear;
  $("#clear2").onclick = clear;
  for (const row of rows) {
    $(".toggle", row).onclick = () => {
      const id = meta.checks[+row.dataset.i].id;
      view.check = view.check.includes(id) ? view.check.filter(x => x !== id) : [...view.check, id];
      remember();
      setOpen(row, view.check.includes(id));
    };
  }
  const order = { title: c => c.title.toLowerCase(), area: c => c.area, severity: c => -c.rank, fail: c => -c.counts.fail * 1e9 - c.counts.unknown, state: null };
  all("th button").forEach(b => {
    b.onclick = () => {
      const th = b.closest("th"), up = th.getAttribute("aria-sort") !== "ascending", key = order[b.dataset.sort];
      all("th[aria-sort]", table).forEach(x => x.removeAttribute("aria-sort"));
      th.setAttribute("aria-sort", up ? "ascending" : "descending");
      const by = r => key ? key(meta.checks[+r.dataset.i]) : +r.dataset.order;
      const sorted = [...rows].sort((x, y) => { const a = by(x), c = by(y); return (a < c ? -1 : a > c ? 1 : x.dataset.order - y.dataset.order) * (up ? 1 : -1); });
      table.append(...sorted);
      rows.splice(0, rows.length, ...sorted);
    };
  });
  const follow = (move) => {
    const h = location.hash;
    if (!h.includes("=")) { // a place on the page, not a view: keep the view and go there
      if (h && address()) { const t = document.getElementById(h.slice(1)); remember(); if (t) t.scrollIntoView(); }
      return;
    }
    view = parse(h);
    apply();
    if (!move) return;
    const open = view.check.length === 1 && rows.find(r => meta.checks[+r.dataset.i].id === view.check[0]);
    (open || $("#checks")).scrollIntoView();
    if (open) $(".toggle", open).focus({ preventScroll: true });
  };
  addEventListener("hashchange", () => follow(true));
  document.addEventListener("keydown", e => {
    if (e.key === "Escape") { hideTip(); return; }
    if (e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName)) return;
    if (e.key === "/") { e.preventDefault(); form.q.focus(); form.q.select(); return; }
    const step = { j: 1, k: -1 }[e.key];
    if (!step) return;
    const list = rows.filter(r => !r.hidden).map(r => $(".toggle", r));
    const at = list.indexOf(document.activeElement);
    const to = list[at < 0 ? 0 : Math.max(0, Math.min(list.length - 1, at + step))];
    if (to) to.focus();
  });
  view = parse("");
  apply();
  follow(true);
  root.dataset.ready = "yes";
})();
