"use strict";

const list = document.getElementById("conversations");
const pane = document.getElementById("messages");
const state = document.getElementById("state");
const empty = document.getElementById("empty");
const conversations = new Map();
const clock = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
let live = false;
let newest = null;
state.textContent = "Connecting …";

// All text goes in as text: nothing that a message says becomes markup.
function element(name, text = "", attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function conversation(message) {
  const id = message.conversation_id;
  if (!conversations.has(id)) conversations.set(id, open(id, message.contact));
  return conversations.get(id);
}

function open(id, contact) {
  const link = element("a", "", { href: `#${id}` });
  const [preview, count] = [element("span", "", { class: "preview", dir: "auto" }), element("span", "", { class: "new" })];
  link.append(element("b", contact), count, preview);
  const entry = element("li");
  entry.append(link);
  const section = element("section", "", { "aria-label": contact, hidden: "" });
  section.append(element("h2", contact), element("p", `Conversation ${id}`, { class: "id" }));
  pane.append(section);
  return { link, preview, count, entry, section, unread: 0 };
}

function bubble(message) {
  const made = element("article");
  made.append(element("p", message.body, { dir: "auto" }));
  const foot = element("footer", `${message.author} · `);
  foot.append(element("time", clock.format(new Date(message.date_created)), { datetime: message.date_created, dir: "auto" }));
  made.append(foot);
  if (message.told) made.append(element("p", `Rehearsal: the caller is told ${message.told}`, { class: "told" }));
  return made;
}

function arrive(message) {
  const its = conversation(message);
  its.section.append(bubble(message));
  its.preview.textContent = message.body;
  // The newest on top; the one that has the focus stays, since moving it would lose it.
  if (list.firstChild !== its.entry && !its.entry.contains(document.activeElement)) list.prepend(its.entry);
  its.unread += live;
  newest = message.conversation_id;
  // Once for all that were here before: each time, the browser lays out every message anew.
  if (live) select(chosen() ?? newest);
}

// The conversation whose link was followed; until one was, the newest message's is shown.
function chosen() {
  const id = location.hash.slice(1);
  return conversations.has(id) ? id : null;
}

function select(id) {
  empty.hidden = true;
  for (const its of conversations.values()) {
    const shown = its === conversations.get(id);
    its.section.hidden = !shown;
    its.link.setAttribute("aria-current", shown);
    its.unread = shown ? 0 : its.unread;
    its.count.textContent = its.unread ? `${its.unread} new` : "";
  }
  conversations.get(id).section.lastElementChild.scrollIntoView({ block: "nearest" });
}

addEventListener("hashchange", () => chosen() && select(chosen()));

const stream = new EventSource("messages");
stream.addEventListener("message", (event) => arrive(JSON.parse(event.data)));
stream.addEventListener("live", () => {
  live = true;
  if (newest) select(chosen() ?? newest);
  // What was here before is not read aloud, what comes from now on is.
  pane.setAttribute("aria-live", "polite");
  empty.hidden = conversations.size > 0;
  state.textContent = "Live: messages appear by themselves";
});
stream.addEventListener("error", () => {
  state.textContent = "Not connected: the sandbox has stopped. The next make run prints a new address.";
});
