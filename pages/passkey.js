// Asks the browser for a passkey, or to make one, and sends what it says with the form that is there without scripts too.
const form = document.getElementById("passkey");
const told = document.getElementById("passkey-told");

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (it) => it.charCodeAt(0));
const text = (buffer) =>
  btoa(Array.from(new Uint8Array(buffer), (it) => String.fromCharCode(it)).join(""))
    .replace(/\+/g, "-")
    .replace(/\//g, "_")
    .replace(/=+$/, "");
const listed = (credentials) => credentials?.map((it) => ({ ...it, id: bytes(it.id) }));

async function use(options, mediation) {
  const publicKey = { ...options, challenge: bytes(options.challenge), allowCredentials: listed(options.allowCredentials) };
  const { id, rawId, type, response } = await navigator.credentials.get({ publicKey, mediation });
  const { authenticatorData, clientDataJSON, signature, userHandle } = response;
  return {
    id, rawId: text(rawId), type, clientExtensionResults: {},
    response: {
      authenticatorData: text(authenticatorData), clientDataJSON: text(clientDataJSON), signature: text(signature),
      userHandle: userHandle ? text(userHandle) : null,
    },
  };
}

async function make(options) {
  const user = { ...options.user, id: bytes(options.user.id) };
  const excludeCredentials = listed(options.excludeCredentials);
  const publicKey = { ...options, challenge: bytes(options.challenge), user, excludeCredentials };
  const { id, rawId, type, response } = await navigator.credentials.create({ publicKey });
  return {
    id, rawId: text(rawId), type, clientExtensionResults: {},
    response: { attestationObject: text(response.attestationObject), clientDataJSON: text(response.clientDataJSON) },
  };
}

function tell(what) {
  told.textContent = told.dataset[what];
}

if (form && !window.PublicKeyCredential) tell("none");
if (form && window.PublicKeyCredential) {
  const button = form.querySelector("button");
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    told.textContent = "";
    try {
      const { use: asked, make: wanted } = form.dataset;
      const answer = asked ? await use(JSON.parse(asked)) : await make(JSON.parse(wanted));
      form.elements.code.value = JSON.stringify(answer);
      form.submit();
    } catch (error) {
      // Cancelled, timed out, none there, or made before: the browser does not tell others which.
      tell(error.name === "InvalidStateError" ? "there" : "stopped");
      button.disabled = false;
    }
  });
  // Back brings the page as it was left.
  addEventListener("pageshow", () => (button.disabled = false));
}

// Where a code is typed, the browser offers a passkey of the same account among what it fills in (conditional mediation,
// WebAuthn §5.1.4.2). What goes wrong with it nobody asked for, and the code is still there.
const autofill = document.getElementById("autofill");

async function offer() {
  if (!(await window.PublicKeyCredential?.isConditionalMediationAvailable?.())) return;
  const answer = await fetch(location.pathname, { headers: { accept: "application/json" } });
  const { passkey } = await answer.json();
  if (!passkey) return;
  const used = await use(passkey.publicKey, "conditional");
  // Not every browser shows those of this account only: another one would be a wrong answer, and cost a try.
  if (!passkey.publicKey.allowCredentials.some((it) => it.id === used.id)) return;
  autofill.elements.code.value = JSON.stringify(used);
  autofill.submit();
}

if (autofill) offer().catch(() => {});
