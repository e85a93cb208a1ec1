// The app's own script: it knows nothing of Stepward. A 401 with a challenge_url is all it is told.
const button = document.getElementById("pay-by-fetch");
const say = (text) => { document.getElementById("fetch-answer").textContent = text; };
button?.addEventListener("click", async () => {
  const form = new FormData(document.getElementById("transfer-form"));
  const answer = await fetch("/api/transfers", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ payee: form.get("payee"), amount: Number(form.get("amount")) }),
  });
  const told = await answer.json();
  if (answer.ok) say(`Paid. New balance: ${told.balance} €`);
  else if (told.challenge_url) {
    say("A proof is needed: ");
    const link = Object.assign(document.createElement("a"), { href: told.challenge_url, target: "_blank", textContent: "confirm it's you" });
    document.getElementById("fetch-answer").append(link);
  } else say(told.title ?? "Refused");
});
