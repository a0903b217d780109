"""Scripts that tests run, some with ill will, and what is handed to them."""

from hookwright.sandbox import Script, Tenant

HOSTILE = {
    "endless loop": "function handler(w) { for (;;) {} }",
    "endless loop before the handler is there": "for (;;) {}",
    "endless loop that catches everything": "function handler(w) { for (;;) { try { for (;;) {} } catch {} finally { for (;;) {} } } }",
    "endless microtasks": "async function handler(w) { for (;;) await null; }",
    "endless generator": "function* on() { for (;;) yield 1; } function handler(w) { for (const n of on()); }",
    "endless getter": "function handler(w) { Object.defineProperty(w, 'url', {get() { for (;;) {} }}); return w; }",
    "endless toJSON": "function handler(w) { w.payload = {toJSON() { for (;;) {} }}; return w; }",
    "endless toString of what is thrown": "function handler(w) { throw {toString() { for (;;) {} }, get message() { for (;;) {} }}; }",
    "endless handler getter": "Object.defineProperty(globalThis, 'handler', {get() { for (;;) {} }})",
    "catastrophic regular expression": "function handler(w) { /^(a+)+$/.test('a'.repeat(60) + 'b'); return w; }",
    "endless toString of what is thrown outside": "throw {toString() { for (;;) {} }, get stack() { for (;;) {} }}",
    "sort that takes for ever": "function handler(w) { new Array(3e5).fill(0).sort(() => { for (;;) {} }); return w; }",
}
"""What never ends."""

GREEDY = {
    "an endless chain of promises": "function handler(w) { const on = () => Promise.resolve().then(on); return on(); }",
    "ever larger numbers": "function handler(w) { let n = 3n; for (;;) n = n ** 3n; }",
    "ever more objects": "function handler(w) { const all = []; for (;;) all.push(new Array(1000).fill({a: 1})); }",
    "one long text": "function handler(w) { let t = 'x'; for (;;) t += t; }",
    "one large buffer": "function handler(w) { const all = []; for (;;) all.push(new ArrayBuffer(1 << 24)); }",
    "caught each time": "function handler(w) { const all = []; for (;;) { try { all.push('y'.repeat(1 << 20) + all.length); } catch {} } }",
    "ever longer chains": "function handler(w) { let o = {}; for (;;) o = Object.create(o); }",
    "many headers": "function handler(w) { w.headers = {}; for (let n = 0; n < 1e7; n++) w.headers['x-' + n] = 'y'; return w; }",
    "what cannot be interrupted": "function handler(w) { Array(1e8).join('x'); return w; }",
    "many numbers": "function handler(w) { w.payload = new Array(1e9).fill(7); return w; }",
}
"""What takes memory without end; some of it runs out of time before."""

MISTAKEN = {
    "a mistake": ("function handler(w) {\n  return nothing.at.all;\n}", 2),
    "a throw": ("function handler(w) {\n\n  throw new Error('no');\n}", 3),
    "a thrown text": ("function handler(w) { throw 'no'; }", None),
    "a thrown null": ("function handler(w) { throw null; }", None),
    "no syntax": ("function handler(w) {\n  return w;\n", 3),
    "no handler": ("const other = 1;", None),
    "a handler that is none": ("const handler = 1;", None),
    "nothing returned": ("function handler(w) {}", None),
    "a number returned": ("function handler(w) { return 1; }", None),
    "recursion without end": ("function handler(w) {\n  return handler(w);\n}", 2),
    "recursion in a getter": ("function handler(w) { const o = {get a() { return this.a; }}; return o.a; }", 1),
    "a toJSON that throws": ("function handler(w) { w.payload = {toJSON() { throw new Error('no'); }}; return w; }", 1),
    "a payload with a cycle": ("function handler(w) { w.payload.self = w.payload; return w; }", None),
    "a payload that JSON cannot say": ("function handler(w) { w.payload = undefined; return w; }", None),
    "a large number": ("function handler(w) { w.payload = {n: 1n}; return w; }", None),
    "a getter that throws": ("function handler(w) { return {get url() { throw new Error('no'); }}; }", 1),
    "a rejected promise": ("async function handler(w) {\n  throw new Error('no');\n}", 2),
    "a promise that nobody keeps": ("function handler(w) { return new Promise(() => {}); }", None),
    "a then that throws": ("function handler(w) { return {get then() { throw new Error('no'); }}; }", 1),
    "a thrown null outside": ("throw null;", None),
    "an error without words": ("function handler(w) { throw {get name() { throw 1; }, get stack() { throw 1; }}; }", None),
}
"""What fails by itself, with the line that is told, where there is one. A line may be None although there is one: engines differ."""

GAMES = {
    "toJSON for all": "Object.prototype.toJSON = () => 'theirs'; function handler(w) { return w; }",
    "no JSON": "JSON.parse = JSON.stringify = () => 'theirs'; delete globalThis.JSON; function handler(w) { return w; }",
    "setters in prototypes": (
        "for (const name of ['payload', 'url', 'answer', 'kind', 'body', '0']) Object.defineProperty(Object.prototype, name, {set() {}, "
        "get() { return 'theirs'; }}); function handler(w) { return w; }"
    ),
    "frozen prototypes": (
        "for (const each of [Object, Array, Function, String, Promise]) Object.freeze(each.prototype); function handler(w) { return w; }"
    ),
    "no Promise": "Promise.prototype.then = () => { throw 1; }; globalThis.Promise = null; async function handler(w) { return w; }",
    "no Reflect": "Reflect.apply = null; String.prototype.slice = null; console.log('a'); function handler(w) { return w; }",
    "another global": "globalThis.handler = undefined; var handler = w => w;",
    "a proxy that is returned": (
        "function handler(w) { const get = (of, name) => name === 'then' ? undefined : of[name];"
        " return new Proxy(w, {get, ownKeys() { throw 1; }}); }"
    ),
    "a symbol that is returned": "function handler(w) { w.headers = Symbol('a'); return w; }",
    "a promise of another kind": "function handler(w) { return {then(done) { done(w); done({cancel: true}); throw 1; }}; }",
    "a proxy": "const handler = new Proxy(w => w, {get() { return 'theirs'; }});",
}
"""Whoever plays with what scripts share with us plays with themselves: an answer, or a failure, and nothing else."""


def script(code: str, payload: str = '{"n":1}', *, tenant: str = "app_1", is_json: bool = True, webhook: str = "{}") -> Script:
    return Script(tenant=Tenant("org_1", tenant), code=code, webhook=webhook, payload=payload, is_json=is_json)
