#!/usr/bin/env python3
"""A notebook in the browser: ``python examples/notebook_app.py FILE.ipynb``, with runtimed.

Shift-Enter runs a cell. The document is the daemon's: what others do to it is seen as it happens.
"""

import secrets
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec

from runtimed.api.errors import ApiError
from runtimed.api.registry import REGISTRY
from runtimed.client import connect

PAGE = r"""<!doctype html><meta charset="utf-8"><title>notebook</title><main></main>
<button id="add">add</button> <button id="save">save</button><script>
let notebook = "NOTEBOOK", main = document.querySelector("main"), sections = {}, changed, busy
async function call(method, params) {
  const answer = await fetch(method, {method: "POST", body: JSON.stringify(params)})
  return answer.ok ? answer.json() : alert(await answer.text())
}
function made(id) {  // once: what is being typed in it stays
  const it = sections[id] = Object.assign(document.createElement("section"), {id})
  it.innerHTML = "<textarea rows=4 cols=80></textarea> <button></button><div></div>"
  it.children[1].onclick = () => it.cell.queued.length
    ? call("execution.interrupt", {execution: it.cell.queued[0]}) : call("cell.delete", {cell: id})
  it.children[0].onkeydown = async key => {
    if (key.key !== "Enter" || !key.shiftKey || key.preventDefault()) return
    const saved = await call("cell.edit", {cell: id, src: key.target.value, if_match: it.base.etag})
    it.base = saved ?? it.cell  // who was told that somebody else was faster may insist
    if (saved?.kind === "code") call("cell.run", {cell: id})
  }
  return it
}
function drawn({text, traceback, data = {}}) {
  const image = data["image/png"], it = document.createElement(image ? "img" : "pre")
  const shown = text ?? traceback?.join("\n") ?? data["text/plain"] ?? Object.keys(data)
  if (!image) it.textContent = String(shown).replace(/\x1b\[.*?m/g, "")
  else Promise.resolve(image.blob ? call("blob.get", {sha256: image.blob}) : {data: image})
    .then(found => { it.src = `data:image/png;base64,${found.data}` })
  return it
}
async function show() {  // one look at a time, and one more if something happened meanwhile
  for (changed = true; changed && !busy; busy = false) {
    busy = true, changed = false
    const {cells} = await call("notebook.get", {notebook, outputs: true})
      .catch(failed => { busy = false; throw failed })
    const order = cells.map(cell => sections[cell.id] ?? made(cell.id))
    if (String(cells.map(cell => cell.id)) !== String([...main.children].map(it => it.id)))
      main.replaceChildren(...order)
    order.forEach((it, i) => {
      const [source, button, outputs] = it.children, cell = it.cell = cells[i]
      if (!it.base || source.value === it.base.src) source.value = cell.src, it.base = cell
      button.textContent = cell.queued.length ? "interrupt" : "delete"
      outputs.replaceChildren(...cell.outputs.map(drawn))
    })
  }
}
document.querySelector("#add").onclick = () => call("cell.insert", {notebook})
document.querySelector("#save").onclick = () => call("notebook.save", {notebook})
Object.assign(new EventSource("events"), {onopen: show, onmessage: show})</script>"""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == ROOT:
            self.answer(200, "text/html", PAGE.replace("NOTEBOOK", notebook.id).encode())
        elif self.path == f"{ROOT}events":
            with client.events(notebook=notebook.id) as events:
                self.answer(200, "text/event-stream")
                for event in events:
                    self.wfile.write(f"data: {event.type}\n\n".encode())
        else:
            self.answer(404, "text/plain", b"nothing is here")

    def do_POST(self) -> None:
        try:
            call = REGISTRY[self.path.partition(ROOT)[2]]
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            result = client.call(msgspec.json.decode(body, type=call))
            self.answer(200, "application/json", msgspec.json.encode(result))
        except (ApiError, LookupError, ValueError, msgspec.DecodeError) as error:
            self.answer(getattr(error, "http_status", 400), "text/plain", str(error).encode())

    def answer(self, status: int, kind: str, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.end_headers()
        self.wfile.write(body)


ROOT = f"/{secrets.token_urlsafe()}/"  # whoever has the address can run code
with connect(client="notebook-app") as client:
    notebook = client.api.notebook.open(path=str(Path(sys.argv[1]).resolve()))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_port}{ROOT}", flush=True)
    server.serve_forever()
