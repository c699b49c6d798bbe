// Shows one query at a time, and keeps a mark the moment it is given. A mark belongs to a result by its number in the
// pool; the pool's name stands for its content and order, so that numbers of another pool are never taken.

const pool = JSON.parse(document.getElementById("pool").textContent);
const element = (id) => document.getElementById(id);
const results = pool.queries.flatMap((query, number) => query.results.map((result) => ({ ...result, query: number })));
const numberOf = new Map(results.map((result, number) => [pairName(pool.queries[result.query].id, result.passage), number]));
const numberOfShown = new Map(results.map((result, number) => [pairName(shownId(pool.queries[result.query].id), shownId(result.passage)), number]));
const firstOf = pool.queries.map((_, number) => results.findIndex((result) => result.query === number));

const STORAGE = `synthmill judge ${pool.pool}`;
const NONE = "-";
const MOST_UNDONE = 2000;
const isFile = location.protocol === "file:";

// `marks` has one character per result: its grade, or NONE. `history` holds what each action changed:
// [position before, [[number, character before], ...]]. `unsaved` counts the actions since a file was saved.
let state = { marks: NONE.repeat(results.length), at: 0, history: [], unsaved: 0 };
let isKept = false;
let shownQuery = -1;

function pairName(queryId, passageId) {
  return JSON.stringify([queryId, passageId]);
}

function make(tag, properties, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

function pieces(parts) {
  return parts.map((part, number) => (number % 2 ? make("mark", {}, part) : part));
}

// ---- what is kept in the browser ----

function keep() {
  const text = JSON.stringify(state);
  try {
    localStorage.setItem(STORAGE, text);
    isKept = localStorage.getItem(STORAGE) === text;
  } catch (error) { // no storage for this page, or no room: the page says so, and saving a file remains
    isKept = false;
  }
}

function stored(text) {
  const value = JSON.parse(text);
  const fits = typeof value.marks === "string" && value.marks.length === results.length && Array.isArray(value.history);
  return fits ? { ...state, ...value } : null;
}

function recall() {
  try {
    const text = localStorage.getItem(STORAGE);
    return text === null ? null : stored(text);
  } catch (error) {
    return null; // keep(), which follows, tells the person
  }
}

// ---- marks ----

function change(changes, position) {
  const marks = state.marks.split("");
  const before = changes.filter(([number, mark]) => marks[number] !== mark).map(([number]) => [number, marks[number]]);
  for (const [number, mark] of changes) marks[number] = mark;
  if (before.length) state.history = [...state.history, [state.at, before]].slice(-MOST_UNDONE);
  state = { ...state, marks: marks.join(""), at: position, unsaved: state.unsaved + (before.length ? 1 : 0) };
  keep();
  show();
  return before.length;
}

function grade(number, mark) {
  change([[number, mark]], Math.min(number + 1, results.length - 1));
}

function undo() {
  if (!state.history.length) return;
  const [position, before] = state.history[state.history.length - 1];
  const marks = state.marks.split("");
  for (const [number, mark] of before) marks[number] = mark;
  state = { marks: marks.join(""), at: position, history: state.history.slice(0, -1), unsaved: state.unsaved + 1 };
  keep();
  show();
}

function go(number) {
  state.at = Math.max(0, Math.min(number, results.length - 1));
  keep();
  show();
}

function goToQuery(step) {
  const query = results[state.at].query + step;
  if (query >= 0 && query < pool.queries.length) go(firstOf[query]);
}

function goToFirstUnmarked() {
  const number = state.marks.indexOf(NONE);
  if (number < 0) say("Every result is marked.", true);
  else go(number);
}

// ---- what is seen ----

function say(text, isGood = false) {
  element("note").textContent = text;
  element("note").hidden = !text;
  element("note").classList.toggle("good", isGood);
}

function show() {
  const query = results[state.at].query;
  if (query !== shownQuery) showQuery(query);
  const first = firstOf[query];
  [...element("results").children].forEach((item, place) => {
    item.classList.toggle("current", first + place === state.at);
    item.setAttribute("aria-current", String(first + place === state.at));
    for (const button of item.querySelectorAll(".marks button")) {
      button.setAttribute("aria-pressed", String(state.marks[first + place] === button.textContent));
    }
  });
  showCounts(query);
  measureHeader();
  element("results").children[state.at - first].scrollIntoView({ block: "nearest" });
}

function showQuery(query) {
  shownQuery = query;
  element("query").textContent = pool.queries[query].text;
  const items = pool.queries[query].results.map((result, place) => card(result, firstOf[query] + place));
  element("results").replaceChildren(...items);
  window.scrollTo(0, 0);
}

function measureHeader() { // it stays at the top, so that a result is scrolled to below it
  document.body.style.setProperty("--header", `${document.querySelector("header").offsetHeight}px`);
}

function card(result, number) {
  const title = result.title.join("") ? [make("h2", {}, ...pieces(result.title))] : [];
  const text = make("p", { className: `text${result.long ? " folded" : ""}` }, ...pieces(result.text));
  const unfold = make("button", { type: "button", className: "unfold", textContent: "Unfold (o)" });
  unfold.addEventListener("click", () => fold(number));
  const buttons = pool.grades.map((mark, place) => {
    const properties = { type: "button", className: `grade-${mark}`, textContent: mark, title: pool.meanings[place] };
    const button = make("button", properties);
    button.addEventListener("click", (event) => { event.stopPropagation(); grade(number, mark); });
    return button;
  });
  const marks = make("div", { className: "marks", role: "group", ariaLabel: "Grade" }, ...buttons);
  const item = make("li", {}, ...title, text, ...(result.long ? [unfold] : []), marks);
  item.addEventListener("click", () => { if (!String(getSelection())) go(number); });
  return item;
}

function fold(number) {
  const item = element("results").children[number - firstOf[shownQuery]];
  const button = item.querySelector(".unfold");
  if (button) button.textContent = item.querySelector(".text").classList.toggle("folded") ? "Unfold (o)" : "Fold (o)";
}

function showCounts(query) {
  const counts = pool.grades.map((mark) => state.marks.split(mark).length - 1);
  const marked = counts.reduce((sum, count) => sum + count, 0);
  pool.grades.forEach((mark, number) => {
    document.querySelector(`.progress .grade-${mark}`).style.width = `${(100 * counts[number]) / results.length}%`;
  });
  element("progress").setAttribute("aria-valuemax", String(results.length));
  element("progress").setAttribute("aria-valuenow", String(marked));
  const graded = pool.grades.map((mark, number) => `${mark}: ${counts[number]}`).join(" · ");
  element("counts").textContent = `${marked} of ${results.length} marked · ${graded}`;
  element("kept").textContent = keptText();
  element("kept").classList.toggle("worse", !isKept);
  element("where").textContent = `${query + 1} of ${pool.queries.length}`;
  element("earlier").disabled = query === 0;
  element("later").disabled = query === pool.queries.length - 1;
  element("undo").disabled = !state.history.length;
  showOverview(query);
}

function keptText() {
  const changes = `${state.unsaved} ${state.unsaved === 1 ? "change" : "changes"} since the last file`;
  if (!isKept) return `not kept here: save before you close${state.unsaved ? ` · ${changes}` : ""}`;
  return `kept here${state.unsaved ? ` · ${changes}` : ""}`;
}

function showOverview(query) {
  [...element("overview").children].forEach((button, number) => {
    const marks = state.marks.slice(firstOf[number], firstOf[number] + pool.queries[number].results.length);
    const left = marks.split(NONE).length - 1;
    button.className = left === 0 ? "all" : left < marks.length ? "some" : "";
    button.title = `${pool.queries[number].text} (${marks.length - left} of ${marks.length} marked)`;
    button.setAttribute("aria-current", String(number === query));
  });
}

// ---- files ----

function save() {
  const stamp = new Date().toISOString().slice(0, 19).replaceAll(":", "");
  const url = URL.createObjectURL(new Blob([csvText()], { type: "text/csv" }));
  const link = make("a", { href: url, download: `${pool.pool.replace("pool-", "marks-")}-${stamp}.csv` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
  state.unsaved = 0;
  keep();
  show();
  say(`Saved as ${link.download}, where your browser puts downloads.`, true);
}

async function readFile(file) {
  try {
    const marks = marksOf(await file.text());
    const changed = change(marks, state.at);
    goToFirstUnmarked();
    say(`${file.name}: ${marks.length} marks read, ${changed} of them new here. Undo takes all of them back.`, true);
  } catch (error) {
    say(`${file.name} was not read: ${error.message}. Nothing was changed.`);
  }
}

// ---- keys, buttons, other windows ----

const KEYS = {
  j: () => go(state.at + 1),
  k: () => go(state.at - 1),
  n: () => goToQuery(1),
  p: () => goToQuery(-1),
  f: goToFirstUnmarked,
  u: undo,
  o: () => fold(state.at),
  s: save,
  "?": () => element("help").showModal(),
  ...Object.fromEntries(pool.grades.map((mark) => [mark, () => grade(state.at, mark)])),
};

function latinKey(event) { // what is written on a key that gives a Korean letter, or & where digits need Shift
  const isOther = !event.shiftKey && !/^[a-z0-9]$/i.test(event.key);
  return isOther ? /^(?:Key|Digit)(.)$/.exec(event.code)?.[1].toLowerCase() : undefined;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (element("help").open) {
    if (event.key === "?") element("help").close();
    return;
  }
  const action = KEYS[event.key.toLowerCase()] ?? KEYS[latinKey(event)];
  if (!action) return;
  event.preventDefault();
  say("");
  action();
});

element("earlier").addEventListener("click", () => goToQuery(-1));
element("later").addEventListener("click", () => goToQuery(1));
element("undo").addEventListener("click", undo);
element("save").addEventListener("click", save);
element("open").addEventListener("click", () => element("file").click());
element("show-help").addEventListener("click", () => element("help").showModal());
element("file").addEventListener("change", async () => {
  if (element("file").files.length) await readFile(element("file").files[0]);
  element("file").value = ""; // so that the same file can be opened again
});
window.addEventListener("storage", (event) => { // the same pool in another window: both show the same marks
  const other = event.key === STORAGE && event.newValue ? stored(event.newValue) : null;
  if (!other) return;
  state = { ...other, at: state.at };
  show();
});
document.addEventListener("visibilitychange", () => { // a window that slept was told nothing
  const other = document.hidden ? null : recall();
  if (!other) return;
  state = { ...other, at: state.at };
  show();
});
window.addEventListener("resize", measureHeader); // a long question takes other lines
window.addEventListener("beforeunload", (event) => {
  if (!isKept && state.unsaved) event.preventDefault();
});

state = recall() ?? state;
element("overview").append(...pool.queries.map((_, number) => {
  const button = make("button", { type: "button", textContent: String(number + 1) });
  button.addEventListener("click", () => go(firstOf[number]));
  return button;
}));
keep();
if (!isKept) say("This browser keeps nothing for this page (a private window, or a setting for local files). Save before you close it; the saved file can be opened here again.");
element("keeping").textContent = !isKept
  ? "This browser keeps no marks for this page: save before you close it."
  : `Marks are kept in this browser as you give them${isFile ? ", for this file where it lies: save before you move it or go on elsewhere" : ""}.`;
show();
