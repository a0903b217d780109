// Evaluated before a script, in the same realm. What the script may do to the objects that it shares with us harms itself alone:
// what we need of them we have taken before it began, and what leaves here is text that is checked outside.
(function () {
  "use strict";
  const { parse, stringify } = JSON;
  const { apply } = Reflect;
  const { then } = Promise.prototype;
  const { slice } = String.prototype;
  const Text = String;
  const Wrong = TypeError;
  const settled = Promise.resolve.bind(Promise);
  let log = "", room = 16384, answer = "", failure = "";

  function shown(value) {
    try {
      if (typeof value !== "object" || value === null) return Text(value);
      const { name, message } = value;
      if (typeof name === "string" && typeof message === "string") return `${name}: ${message}`;
      const text = stringify(value);
      return typeof text === "string" ? text : Text(value);
    } catch {
      return "(what cannot be shown)";
    }
  }

  function say(...items) {
    let line = "";
    for (let place = 0; place < items.length; place++) line += (place ? " " : "") + shown(items[place]);
    const kept = apply(slice, line, [0, room]);
    if (room > 0) log += kept + "\n";
    room -= kept.length + 1;
  }

  function stackOf(thrown) {
    try {
      const { stack } = thrown;
      return typeof stack === "string" ? apply(slice, stack, [0, 4000]) : "";
    } catch {
      return "";
    }
  }

  function fail(thrown) {
    failure = stringify({ __proto__: null, text: apply(slice, shown(thrown), [0, 2000]), stack: stackOf(thrown) });
  }

  function settle(webhook, before) {
    if (typeof webhook !== "object" || webhook === null) {
      throw new Wrong("the handler must return the webhook; it returned " + shown(webhook));
    }
    const { method, url, headers, cancel, payload } = webhook;
    if (cancel) {
      answer = stringify({ __proto__: null, cancel: true });
      return;
    }
    const isText = typeof payload === "string";
    const body = isText ? payload : stringify(payload);
    if (typeof body !== "string") throw new Wrong("the webhook's payload is " + shown(payload) + ", which JSON cannot say");
    const same = before.isText === isText && before.body === body;
    answer = stringify({
      __proto__: null,
      method: method ?? undefined,
      url: url ?? undefined,
      headers: headers ?? undefined,
      kind: same ? "same" : isText ? "text" : "json",
      body: same ? undefined : body,
    });
  }

  function run(handler, webhookText, payloadText, isJson) {
    try {
      const webhook = parse(webhookText);
      webhook.payload = isJson ? parse(payloadText) : payloadText;
      const before = { __proto__: null, isText: typeof webhook.payload === "string" };
      before.body = before.isText ? webhook.payload : stringify(webhook.payload);
      const returned = handler(webhook);
      if (typeof returned !== "object" || returned === null || typeof returned.then !== "function") {
        settle(returned, before);
        return;
      }
      const finish = (value) => {
        try {
          settle(value, before);
        } catch (thrown) {
          fail(thrown);
        }
      };
      apply(then, settled(returned), [finish, fail]);
    } catch (thrown) {
      fail(thrown);
    }
  }

  globalThis.console = { debug: say, error: say, info: say, log: say, warn: say };

  return function (what, ...given) {
    if (what === "run") run(...given);
    else return what === "answer" ? answer : what === "failure" ? failure : stringify(log);
  };
})();
