// Opens the page of examples/notebook_app.py as a browser would, types, and says what it shows.
//   node page.mjs URL: one command a line on stdin, one JSON answer a line on stdout.
//   ["type", i, text]: into the i-th cell, and Shift-Enter   ["click", selector]
//   ["until", text]: what the page shows, once that has the text; "!text": once it has not
import { createInterface } from "node:readline";
import { JSDOM } from "jsdom";

const url = process.argv[2];

// What of EventSource the page uses; jsdom has none.
class EventSource {
  constructor(path) {
    fetch(new URL(path, url)).then(async answer => {
      this.onopen?.();
      for await (const piece of answer.body) for (const _ of String(Buffer.from(piece)).matchAll(/^data:/gm)) this.onmessage?.();
    });
  }
}

const { window } = await JSDOM.fromURL(url, {
  runScripts: "dangerously",
  beforeParse(window) {
    window.EventSource = EventSource;
    window.fetch = (path, options) => fetch(new URL(path, url), options);
    window.alert = text => { window.document.title = text; };
  },
});
const { document } = window;

function shown() {
  const cells = [...document.querySelectorAll("section")].map(section => ({
    src: section.querySelector("textarea").value,
    button: section.querySelector("button").textContent,
    outputs: [...section.querySelector("div").children].map(it => it.src ?? it.textContent),
  }));
  return { title: document.title, cells };
}

function until(wanted) {
  const is = () => JSON.stringify(shown()).includes(wanted.replace(/^!/, "")) !== wanted.startsWith("!");
  if (is()) return shown();
  return new Promise(resolve => {
    const observer = new window.MutationObserver(() => {
      if (!is()) return;
      observer.disconnect();
      resolve(shown());
    });
    observer.observe(document, { subtree: true, attributes: true, childList: true, characterData: true });
  });
}

for await (const line of createInterface({ input: process.stdin })) {
  const [what, ...words] = JSON.parse(line);
  let answer = null;
  if (what === "type") {
    const source = document.querySelectorAll("textarea")[words[0]];
    source.value = words[1];
    source.dispatchEvent(new window.KeyboardEvent("keydown", { key: "Enter", shiftKey: true, cancelable: true }));
  } else if (what === "click") document.querySelector(words[0]).click();
  else if (what === "until") answer = await until(words[0]);
  console.log(JSON.stringify(answer));
}
process.exit();
