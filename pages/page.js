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

// The way out of a dialog is the dialog's own.
if (parent !== window) document.querySelector(".leave")?.remove();

// Whoever else is asked lets nobody show it in a frame: it gets a window of its own, and this page waits for what it says.
const away = document.getElementById("away");
if (away && parent !== window) {
  away.target = "_blank";
  const look = async () => {
    const answer = await fetch(location.pathname, { headers: { accept: "application/json" } }).catch(() => null);
    const state = await answer?.json().catch(() => null);
    if (answer?.status === 410 || ["pending", "review"].includes(state?.status)) location.reload();
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

// Something that takes a while: look again by and by, and show what came of it.
const waiting = document.getElementById("waiting");
const look = async (pause) => {
  try {
    const answer = await fetch(location.pathname, { headers: { accept: "application/json" } });
    const { status, number } = await answer.json();
    if (status === "passed" || [403, 410].includes(answer.status)) return location.replace(location.pathname);
    if (status?.startsWith("verify_")) return location.replace(`${waiting.dataset.again}&e=${status}`);
    if (status === "wrong") return location.replace(`${waiting.dataset.again}&e=verify_refused`);
    const isShown = !number || waiting.querySelector("strong");
    if (!isShown || !["pending", "review"].includes(status)) return location.replace(waiting.dataset.again);
  } catch {
    // Not reached this time.
  }
  setTimeout(look, pause, Math.min(pause * 1.2, 20000));
};
if (waiting) {
  document.getElementById("updates")?.removeAttribute("hidden");
  setTimeout(look, 2000, 2000);
}
