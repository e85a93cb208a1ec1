// Stepward for pages that call their server by fetch: include it once, before the page's own scripts.
// When a call is answered with a challenge, the challenge opens in a dialog; after it is met the call is repeated once.
(() => {
  const plain = window.fetch.bind(window);
  let open = null;

  const ask = (problem) => {
    open ??= new Promise((resolve, reject) => {
      const dialog = document.createElement("dialog");
      const frame = document.createElement("iframe");
      const close = document.createElement("button");
      dialog.setAttribute("aria-label", problem.title);
      frame.title = problem.title;
      frame.src = problem.challenge_url;
      // By the object model, which a content policy of the page allows.
      dialog.style.cssText = "padding:0;border:0;border-radius:1rem;inline-size:min(26rem,calc(100vw - 2rem));overflow:hidden";
      frame.style.cssText = "display:block;border:0;inline-size:100%;block-size:min(36rem,calc(100vh - 9rem))";
      close.style.cssText = "display:block;margin:.75rem auto;min-block-size:2.75rem;padding:0 1.5rem";
      close.type = "button";
      close.textContent = problem.close || "\u2715";
      const end = () => {
        removeEventListener("message", heard);
        dialog.remove();
        open = null;
      };
      const stop = () => {
        end();
        reject(new DOMException("the challenge was not met", "AbortError"));
      };
      const heard = (event) => {
        if (event.origin !== location.origin || event.source !== frame.contentWindow) return;
        if (event.data?.stepward !== "passed") return;
        end();
        resolve();
      };
      addEventListener("message", heard);
      close.addEventListener("click", stop);
      dialog.addEventListener("cancel", stop);
      dialog.append(frame, close);
      document.body.append(dialog);
      dialog.showModal();
    });
    return open;
  };

  window.fetch = async (input, init) => {
    const request = new Request(input, init);
    const again = request.clone();
    const response = await plain(request);
    const kind = response.headers.get("content-type") || "";
    if (response.status !== 401 || !kind.startsWith("application/problem+json")) return response;
    if (new URL(request.url).origin !== location.origin) return response;
    const problem = await response.clone().json().catch(() => ({}));
    if (!/^\/\.stepward\/c\/[\w-]+$/.test(problem.challenge_url)) return response;
    await ask(problem);
    const headers = new Headers(again.headers);
    if (problem.resume) headers.set("Stepward-Resume", problem.resume);
    return plain(new Request(again, { headers }));
  };
})();
