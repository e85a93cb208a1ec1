// A call that is answered with a challenge waits while that is met in a dialog, and is then repeated: see the guide
// docs/guides/single-page-apps.md. At most 3 KB compressed, which a test weighs.
(() => {
  const mark = Symbol.for("stepward");
  if (window[mark]) return;
  window[mark] = true;
  const plain = window.fetch.bind(window);
  const CHALLENGES_MAX = 3;
  const isOwn = (url) => {
    try {
      return new URL(url, document.baseURI).origin === location.origin;
    } catch {}
  };
  const isChallenge = (status, header) => status === 401 && header("stepward-outcome") === "challenge";
  const isAddress = (url) => /^\/\.stepward\/c\/[\w-]+$/.test(url);

  // One dialog for all calls that wait. The call whose challenge was met is resumed, others are sent as they were.
  const waiting = new Set();
  let end = null;
  const ask = (problem, signal) =>
    new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const call = { problem, resolve, reject };
      waiting.add(call);
      signal.addEventListener("abort", () => {
        reject(signal.reason);
        if (waiting.delete(call) && !waiting.size) end();
      }, { once: true });
      if (!end) show(problem);
    });

  const show = (problem) => {
    const dialog = document.createElement("dialog");
    const frame = document.createElement("iframe");
    const close = document.createElement("button");
    dialog.setAttribute("aria-label", problem.title);
    frame.title = problem.title;
    frame.src = problem.challenge_url;
    dialog.style.cssText =
      "padding:0;border:0;border-radius:1rem;inline-size:min(26rem,calc(100vw - 2rem));overflow:hidden;color-scheme:light dark";
    frame.style.cssText = "display:block;border:0;inline-size:100%;block-size:min(36rem,calc(100vh - 9rem))";
    close.style.cssText = "display:block;margin:.75rem auto;min-block-size:2.75rem;padding:0 1.5rem";
    close.type = "button";
    close.dir = "auto";
    close.textContent = problem.close || "\u2715";
    const heard = (event) => {
      const isOurs = event.origin === location.origin && event.source === frame.contentWindow;
      if (isOurs && event.data?.stepward === "passed") pass();
    };
    const pass = () => end?.((call) => call.resolve(problem));
    // It may be met elsewhere, or be gone: calls without a session each begin one, and the browser keeps the last.
    const seen = new Set();
    const look = async () => {
      if (!dialog.isConnected) return stop();
      const now = problem;
      const { status } = await plain(now.challenge_url, { headers: { accept: "application/json" } })
        .then((answer) => answer.json())
        .catch(() => ({}));
      if (now !== problem) return;
      if (status === "passed") return pass();
      seen.add(now);
      const next = status === 410 && [...waiting].find((call) => !seen.has(call.problem));
      if (next) frame.src = (problem = next.problem).challenge_url;
    };
    const watch = setInterval(look, 3000);
    end = (settle) => {
      end = null;
      clearInterval(watch);
      removeEventListener("message", heard);
      dialog.close();
      dialog.remove();
      const calls = [...waiting];
      waiting.clear();
      if (settle) calls.forEach(settle);
    };
    const stop = () => end?.((call) => call.reject(new DOMException("the challenge was not met", "AbortError")));
    addEventListener("message", heard);
    close.addEventListener("click", stop);
    dialog.addEventListener("cancel", stop);
    frame.addEventListener("load", () => {
      look();
      try {
        frame.contentWindow.addEventListener("keydown", (event) => event.key === "Escape" && stop());
      } catch {}
    });
    dialog.append(frame, close);
    (document.body || document.documentElement).append(dialog);
    dialog.showModal();
  };

  window.fetch = async (input, init) => {
    if (!isOwn(input instanceof Request ? input.url : input)) return plain(input, init);
    const first = new Request(input, init);
    if (first.credentials === "omit") return plain(first);
    let again = first.clone();
    let response = await plain(first);
    for (let round = 0; round < CHALLENGES_MAX; round++) {
      if (!isChallenge(response.status, (name) => response.headers.get(name))) break;
      const problem = await response.clone().json().catch(() => ({}));
      if (!isAddress(problem.challenge_url)) break;
      const met = await ask(problem, first.signal);
      let next = again;
      if (met === problem && problem.resume) {
        // The gateway has kept its body.
        next = new Request(again, /^(GET|HEAD)$/.test(again.method) ? {} : { body: "" });
        next.headers.set("Stepward-Resume", problem.resume);
      } else again = next.clone();
      response = await plain(next);
    }
    return response;
  };

  const calls = new WeakMap();
  const proto = XMLHttpRequest.prototype;
  const { open, send, abort, setRequestHeader } = proto;
  const OPEN = ["GET", "/.stepward/stepward.js", true];

  // Once more, while the page hears nothing.
  const silently = (xhr, call, how, headers, body) => {
    call.hushed = true;
    open.apply(xhr, how);
    headers.forEach((header) => setRequestHeader.apply(xhr, header));
    send.call(xhr, body);
    call.hushed = false;
  };
  const giveUp = (xhr, call) => {
    call.waits = null;
    silently(xhr, call, OPEN, []);
    abort.call(xhr);
  };
  const meet = async (xhr, call) => {
    const waits = (call.waits = new AbortController());
    const { response } = xhr;
    const isRaw = typeof response === "string" || response instanceof Blob || response instanceof ArrayBuffer;
    const named = /challenge="([^"]+)"/.exec(xhr.getResponseHeader("www-authenticate"));
    const problem =
      (await (isRaw ? new Response(response).json().catch(() => null) : response)) ||
      { challenge_url: named?.[1], title: "" };
    if (call.waits !== waits) return;
    const met = isAddress(problem.challenge_url) && (await ask(problem, waits.signal).catch(() => 0));
    if (call.waits !== waits) return;
    if (!met) return giveUp(xhr, call);
    call.waits = null;
    call.round++;
    const resume = met === problem && problem.resume;
    const headers = resume ? [...call.headers, ["Stepward-Resume", resume]] : call.headers;
    silently(xhr, call, call.how, headers, resume ? null : call.body);
  };
  const hear = (xhr, call, event) => {
    if (event.type === "readystatechange" && !call.hushed) {
      const header = (name) => xhr.getResponseHeader(name);
      call.hushed = xhr.readyState === 2 && call.round < CHALLENGES_MAX && isChallenge(xhr.status, header);
    } else if (xhr.readyState === 4 && !xhr.status) {
      call.hushed = false;
    }
    if (!call.hushed) return;
    event.stopImmediatePropagation();
    if (event.type !== "loadend") return;
    call.hushed = false;
    meet(xhr, call);
  };

  // Listeners hear in the order in which they came: ours come first.
  window.XMLHttpRequest = new Proxy(XMLHttpRequest, {
    construct(...how) {
      const xhr = Reflect.construct(...how);
      const call = {};
      calls.set(xhr, call);
      for (const type of ["readystatechange", "loadstart", "progress", "load", "loadend"])
        xhr.addEventListener(type, (event) => call.isOurs && hear(xhr, call, event));
      return xhr;
    },
  });
  proto.open = function (...how) {
    const call = calls.get(this);
    const isOurs = call && isOwn(how[1]) && (how.length < 3 || how[2]);
    const waits = call?.waits;
    if (call) Object.assign(call, { isOurs, how, headers: [], round: 0, hushed: false, waits: null });
    waits?.abort();
    return open.apply(this, how);
  };
  proto.setRequestHeader = function (...header) {
    setRequestHeader.apply(this, header);
    calls.get(this)?.headers.push(header);
  };
  proto.send = function (body) {
    const call = calls.get(this);
    if (call) call.body = body;
    return send.call(this, body);
  };
  proto.abort = function () {
    const call = calls.get(this);
    if (!call?.waits) return abort.call(this);
    const { waits } = call;
    giveUp(this, call);
    waits.abort();
  };
})();
