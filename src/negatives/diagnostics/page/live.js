// The page of a run that goes on: asks what is new, and puts it in its place.
const PAUSE = 2000;
const STATES = {
  waiting: "waiting for the run to begin", running: "running", stopped: "stopped before its end", finished: "finished",
};
const live = {generation: -1, after: 0, seen: "", title: ""};

function tell(state, said) {
  const place = document.getElementById("state");
  place.dataset.state = state;
  place.querySelector("strong").textContent = STATES[state] || state;
  place.querySelector(".said").textContent = said;
}

function fed(entries, anew) {
  let list = document.getElementById("feed");
  if (!list) {
    const section = document.createElement("section"), heading = document.createElement("h2");
    const box = document.createElement("div");
    section.id = "news";
    section.className = "live";
    heading.textContent = "Latest";
    box.className = "box";
    list = document.createElement("ul");
    list.id = "feed";
    box.append(list);
    section.append(heading, box);
    document.querySelector("main footer").before(section);
  }
  if (anew) list.replaceChildren();
  for (const [time, text] of entries) {
    const item = document.createElement("li"), when = document.createElement("time"), what = document.createElement("span");
    when.textContent = time;
    what.textContent = text;
    item.append(when, what);
    list.prepend(item);
  }
  const news = document.getElementById("news"), head = document.querySelector("main header");
  news.hidden = !list.children.length;
  if (head && head.nextElementSibling !== news) head.after(news);
}

function replaced(told) {
  const main = document.querySelector("main"), fresh = document.createElement("div"), at = window.scrollY;
  fresh.innerHTML = told.html;
  const open = new Set([...main.querySelectorAll("details[open] > summary")].map(one => one.textContent.split(":")[0]));
  for (const place of fresh.querySelectorAll(".graph")) {
    const old = document.getElementById(place.id);
    if (old) place.replaceWith(old);
  }
  const news = document.getElementById("news"), footer = main.querySelector("footer");
  for (const gone of main.querySelectorAll(".js-plotly-plot")) Plotly.purge(gone);
  main.replaceChildren(...fresh.childNodes, footer);
  if (news) main.querySelector("header").after(news);
  prepared(main, told.drawn);
  for (const summary of main.querySelectorAll("details > summary")) {
    if (open.has(summary.textContent.split(":")[0])) summary.parentElement.open = true;
  }
  document.title = told.title;
  window.scrollTo(0, at);
}

async function ask() {
  let state = "";
  try {
    const query = new URLSearchParams({generation: live.generation, after: live.after, seen: live.seen});
    const told = await (await fetch(`changes?${query}`)).json();
    const anew = told.generation !== live.generation;
    Object.assign(live, {generation: told.generation, after: told.lines, seen: told.seen});
    if (told.html !== undefined) replaced(told);
    fed(told.feed, anew);
    tell(told.state, told.said);
    state = told.state;
  } catch (fault) {
    tell("lost", "nobody answers; the watching command has ended");
  }
  setTimeout(ask, state === "finished" ? 5 * PAUSE : PAUSE);
}

ready.then(ask);
