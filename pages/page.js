// What Stepward's own pages do when scripts may run; every page but the browser check works without it.

// A pasted "Your code is 123-456" becomes 123456.
const code = document.getElementById("code");
if (code && code.inputMode === "numeric") {
  code.addEventListener("paste", (event) => {
    const digits = event.clipboardData.getData("text").replace(/\D/g, "");
    if (digits.length === 6) {
      event.preventDefault();
      code.value = digits;
    }
  });
}

// Carry on where the user was, except when Back brought them here.
const resume = document.getElementById("resume");
const navigation = performance.getEntriesByType("navigation")[0];
if (resume && navigation?.type !== "back_forward") resume.requestSubmit();

// Inside the dialog of stepward.js: tell the page around us.
const passed = document.getElementById("passed");
if (passed && parent !== window) {
  parent.postMessage({ stepward: "passed", resume: passed.dataset.resume }, location.origin);
}

// An identity provider lets nobody show it in a frame: it gets a window of its own, and this page waits for what it says.
const away = document.getElementById("away");
if (away && parent !== window) {
  away.target = "_blank";
  const look = async () => {
    const answer = await fetch(location.pathname, { headers: { accept: "application/json" } }).catch(() => null);
    const state = await answer?.json().catch(() => null);
    if (answer?.status === 410) location.reload();
    else if (state?.status === "passed") location.assign(`${location.pathname}/continue`);
    else setTimeout(look, 1500);
  };
  away.addEventListener("submit", () => setTimeout(look, 1500), { once: true });
}

// The browser check.
const pow = document.getElementById("pow");
if (pow && navigation?.type !== "back_forward") {
  pow.hidden = false;
  const worker = new Worker("/.stepward/pow.js");
  worker.onmessage = (event) => {
    pow.elements.code.value = event.data;
    pow.requestSubmit();
  };
  worker.postMessage({ seed: pow.dataset.seed, bits: Number(pow.dataset.bits) });
}
