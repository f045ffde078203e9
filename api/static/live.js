// Keeps an open page as fresh as a reload would. A stream says that something changed; the page is
// then fetched like any other and what is marked `data-live` takes its new contents. Markup is parsed
// by the browser alone, into a document in which nothing runs: this file makes none out of text.
"use strict";

const PATIENCE_MS = 45_000; // an event comes every 10 s; the connection is dead without one
const TICK_MS = 1_000;
const SLOWEST_MS = 60_000;
const FETCH_MS = 20_000;
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
const EDITABLE = "input:not([type=hidden]), textarea, select";

const live = document.getElementById("live");
const told = document.getElementById("live-told");
const script = document.currentScript.src;

let source, watchdog, again;
let failures = 0;
let fetching = false;
let kept = false;

const say = (text) => {
  if (told.textContent !== text) told.textContent = text;
};

function mark(state, text) {
  if (live.dataset.state === state && live.textContent === text) return;
  if (live.dataset.state === "on" || state === "over") say(text);
  live.dataset.state = state;
  live.textContent = text;
}

function relative(seconds) {
  const size = Math.abs(seconds);
  const [unit, length] = UNITS.find(([, s]) => size >= 2 * s) ?? (size >= 1 ? UNITS[3] : []);
  if (!unit) return "now";
  const count = Math.floor(size / length);
  const amount = `${count} ${unit}${count === 1 ? "" : "s"}`;
  return seconds > 0 ? `in ${amount}` : `${amount} ago`;
}

// The words beside a time are of our own clock; the exact time next to them is the server's.
function tick(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const words = time.firstChild;
    const at = Date.parse(time.dateTime);
    if (words?.nodeType !== Node.TEXT_NODE || Number.isNaN(at)) continue;
    const text = relative(Math.trunc((at - Date.now()) / 1000));
    const spaced = words.data.endsWith(" ") ? `${text} ` : text;
    if (words.data !== spaced) words.data = spaced;
  }
}

const typing = (element) =>
  [...element.querySelectorAll(EDITABLE)].some(
    (field) =>
      field === document.activeElement ||
      (field.type === "checkbox" || field.type === "radio"
        ? field.checked !== field.defaultChecked
        : field.tagName === "SELECT"
          ? [...field.options].some((option) => option.selected !== option.defaultSelected)
          : field.value !== field.defaultValue),
  );

const nameOf = (details) => details.id || details.querySelector("summary")?.textContent.trim();

function keepOpen(from, to) {
  const were = new Map([...from.querySelectorAll("details")].map((one) => [nameOf(one), one.open]));
  for (const one of to.querySelectorAll("details")) {
    const was = were.get(nameOf(one));
    if (was !== undefined) one.open = was;
  }
}

// Finds in a new element what had the focus in the old one: by id, else by kind and words.
function twin(focused, element) {
  if (focused.id) return element.querySelector(`#${CSS.escape(focused.id)}`);
  const alike = (one) =>
    one.getAttribute("href") === focused.getAttribute("href") && one.textContent === focused.textContent;
  const all = [...element.querySelectorAll(focused.localName)];
  return all.find(alike) ?? all.find((one) => one.getAttribute("href") === focused.getAttribute("href"));
}

function renew(old, next) {
  const fresh = document.importNode(next, true);
  keepOpen(old, fresh);
  if (old.isEqualNode(fresh)) return;
  if (typing(old)) {
    kept = true;
    return;
  }
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  old.replaceWith(fresh);
  if (focused) (twin(focused, fresh) ?? document.getElementById("main")).focus({ preventScroll: true });
}

function show(next) {
  const nextLive = next.getElementById("live");
  if (!nextLive || next.querySelector("script[src]")?.src !== script) {
    over("There is a new version of this page. Reload to see it.");
    return;
  }
  for (const one of next.querySelectorAll("script")) one.remove();
  tick(next);
  tick(document);
  kept = false;
  for (const old of document.querySelectorAll("[data-live]")) {
    const fresh = next.getElementById(old.id);
    if (fresh) renew(old, fresh);
  }
  document.title = next.title;
  live.dataset.stamp = nextLive.dataset.stamp;
  if (kept) say("This page changed while you were typing. What you typed is still there.");
  else if (live.dataset.say !== nextLive.dataset.say) say(nextLive.dataset.say);
  live.dataset.say = nextLive.dataset.say;
}

function over(text) {
  stop();
  again = clearTimeout(again);
  mark("over", text);
}

function refresh() {
  if (fetching || live.dataset.state === "over") return;
  fetching = true;
  const page = new XMLHttpRequest();
  page.open("GET", location.href);
  page.responseType = "document";
  page.timeout = FETCH_MS;
  page.setRequestHeader("X-Live", "1");
  page.onloadend = () => {
    fetching = false;
    const arrived = page.responseURL && new URL(page.responseURL).pathname;
    if (page.status === 200 && arrived === location.pathname && page.response) show(page.response);
    else if (page.status === 200) over("You are signed out. Reload to sign in again.");
    else if ([403, 404, 410].includes(page.status)) over("This page is gone. Reload to see why.");
    else lost();
  };
  page.send();
}

function stop() {
  clearTimeout(watchdog);
  source?.close();
  source = undefined;
}

function lost() {
  stop();
  if (live.dataset.state === "over" || document.hidden || again) return;
  failures += 1;
  if (failures > 1) mark("off", "Not live any more: trying again. Reload to see what is new.");
  const delay = Math.min(SLOWEST_MS, 500 * 2 ** failures) * (0.5 + Math.random() / 2);
  again = setTimeout(() => {
    again = undefined;
    if (failures > 2) refresh(); // it also finds out whether the sign-in is over
    start();
  }, delay);
}

function start() {
  if (source || document.hidden || live.dataset.state === "over") return;
  source = new EventSource(live.dataset.events);
  watchdog = setTimeout(lost, PATIENCE_MS);
  source.onerror = lost;
  source.onmessage = ({ data }) => {
    failures = 0;
    clearTimeout(watchdog);
    watchdog = setTimeout(lost, PATIENCE_MS);
    mark("on", "Live");
    if (data !== live.dataset.stamp) refresh();
  };
}

if (live && told) {
  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : start()));
  window.addEventListener("pagehide", stop);
  window.addEventListener("pageshow", start);
  setInterval(() => tick(document), TICK_MS);
  tick(document);
  start();
}
