"""HTTP/1.1 over the same socket: REST, ``POST /rpc`` and event streams.

Nothing of it is imported before the first HTTP request, h11 least of all. What is where::

    connection   bytes ⇄ requests and responses (h11), time limits, ends
    exchange     one request: who calls, what handlers may ask, its calls' tasks
    guard        what is refused before anybody looks at the path
    routes       path and verb → place (``api/places.py`` has the rules)
    arguments    path, query and body → call
    service      a request → a response
    presenting   result → response: entity tags, links, other types than JSON
    problems     errors → problem documents (RFC 9457)
    blobs · rpc · sse · text      what is no plain document
"""
