// A real OpenID provider (npm oidc-provider, certified) with a sign-in page of two fields, for the tests of `oidc`.
// It prints its issuer when it listens. Whoever types a name is that person; the class of the sign-in is chosen on the page.
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import Provider from "oidc-provider";

const secret = process.env.CLIENT_SECRET;
const redirects = (process.env.REDIRECT_URIS ?? "").split(" ").filter(Boolean);
const server = createServer();
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const issuer = `http://127.0.0.1:${server.address().port}`;

const key = (...kind) => ({ ...generateKeyPairSync(...kind).privateKey.export({ format: "jwk" }), use: "sig" });
const keys = [key("rsa", { modulusLength: 2048 }), key("ec", { namedCurve: "P-256" }), key("ed25519")];

const provider = new Provider(issuer, {
  acrValues: ["phr", "mfa", "pwd"],
  claims: { openid: ["sub"], acr: null, auth_time: null, profile: ["preferred_username"] },
  conformIdTokenClaims: false,
  clients: [
    {
      client_id: "stepward",
      ...(secret ? { client_secret: secret } : { token_endpoint_auth_method: "none" }),
      redirect_uris: redirects,
      id_token_signed_response_alg: process.env.ALGORITHM ?? "RS256",
    },
  ],
  cookies: { keys: ["only for tests"] },
  enabledJWA: { idTokenSigningAlgValues: ["RS256", "PS256", "ES256", "EdDSA"] },
  features: { devInteractions: { enabled: false }, claimsParameter: { enabled: true } },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, preferred_username: `${id}@bank.example` }) }),
  jwks: { keys },
  interactions: { url: (_, interaction) => `/sign-in/${interaction.uid}` },
  // Nobody is asked whether Stepward may know who they are: it is the bank's own.
  loadExistingGrant: async (context) => {
    const grant = new context.oidc.provider.Grant({
      clientId: context.oidc.client.clientId,
      accountId: context.oidc.session.accountId,
    });
    grant.addOIDCScope("openid profile");
    await grant.save();
    return grant;
  },
  pkce: { required: () => true },
});

const page = (details) => `<!doctype html><html lang="en"><title>Bank sign-in</title>
<h1>Bank sign-in</h1><p id="asked">${details.params.acr_values ?? ""} ${details.prompt.name}</p>
<form method="post"><label>Name <input name="name" value="${encodeURIComponent(details.params.login_hint ?? "")}"></label>
<label>Class <input name="acr" value="phr"></label><button name="do" value="in">Sign in</button>
<button name="do" value="leave">Cancel</button></form>`;

const form = async (request) => {
  let text = "";
  for await (const chunk of request) text += chunk;
  return new URLSearchParams(text);
};

const signIn = async (request, response) => {
  const details = await provider.interactionDetails(request, response);
  if (request.method === "GET") {
    response.setHeader("content-type", "text/html; charset=utf-8");
    // As providers do: nobody may show this page in a frame.
    response.setHeader("x-frame-options", "DENY");
    return response.end(page(details));
  }
  const fields = await form(request);
  const result =
    fields.get("do") === "leave"
      ? { error: "access_denied", error_description: "the user left" }
      : { login: { accountId: fields.get("name"), acr: fields.get("acr") } };
  return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
};

const callback = provider.callback();
server.on("request", (request, response) => {
  const isOurs = request.url.startsWith("/sign-in/");
  const answered = isOurs ? signIn(request, response) : callback(request, response);
  Promise.resolve(answered).catch((error) => {
    response.statusCode = 500;
    response.end(String(error));
  });
});
// Whoever started it reads one line and no more.
process.stdout.on("error", () => {});
console.log(issuer);
