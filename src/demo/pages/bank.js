// The app's own script. It knows nothing of Stepward: the call below is answered, refused, or given up.
const button = document.getElementById("pay-by-fetch");
const say = (text) => { document.getElementById("fetch-answer").textContent = text; };
button?.addEventListener("click", async () => {
  const form = new FormData(document.getElementById("transfer-form"));
  try {
    const answer = await fetch("/api/transfers", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ payee: form.get("payee"), amount: Number(form.get("amount")) }),
    });
    const told = await answer.json();
    say(answer.ok ? `Paid. New balance: ${told.balance} €` : `Not paid: ${told.title ?? "refused"}`);
  } catch {
    say("Not paid.");
  }
});
