error_prefix = Errore
reference = Riferimento
back_to_service = Prosegui su { $service }

# Asking
title_confirm = Confermi la Sua identità
why = { $service } chiede una conferma prima di procedere con:
why_bound = Sta confermando esattamente questi dati. Se qualcosa non corrisponde a ciò che ha inserito, non prosegua.
code_label = Codice di sei cifre
totp_label = Codice dell’app di autenticazione
totp_hint = Apra l’app di autenticazione e inserisca le sei cifre visualizzate.
email_label = Codice ricevuto per e-mail
email_hint = Se è registrato un indirizzo e-mail, è stato inviato un codice di sei cifre. È valido per dieci minuti.
email_send = Invia un codice per e-mail
email_send_hint = Un codice di sei cifre sarà inviato all’indirizzo e-mail registrato, se presente.
email_again = Invia un altro codice
email_trouble = Non è stato possibile inviare l’e-mail: il server di posta non risponde. Richieda un altro codice tra poco.
email_trouble_other = Può anche scegliere un altro metodo.
email_late = Se riceve comunque un codice di sei cifre, lo inserisca qui. È valido per dieci minuti.
email_wait = Un codice è stato appena inviato. Attenda { $seconds } { $seconds ->
    [one] secondo
   *[other] secondi
} prima di richiederne un altro.
sms_label = Codice ricevuto per SMS
sms_hint = Se è registrato un numero di telefono, è stato inviato un SMS con un codice di sei cifre. È valido per dieci minuti.
sms_send = Invia un codice per SMS
sms_send_hint = Un codice di sei cifre sarà inviato al numero di telefono registrato, se presente.
sms_again = Invia un altro SMS
voice_label = Codice della telefonata
voice_hint = Se è registrato un numero di telefono, riceverà una chiamata e una voce dirà sei cifre. Sono valide per dieci minuti.
voice_send = Ricevi un codice per telefono
voice_send_hint = Il numero di telefono registrato, se presente, sarà chiamato e saranno dette sei cifre.
voice_again = Chiama di nuovo
captcha_hint = Dimostri di non essere un robot, poi confermi.
captcha_other = Mostra un altro test
captcha_trouble = Al momento non è possibile mostrare il test contro i robot.
captcha_unheard = Non è stato possibile verificare il test. Eccone un altro.
recovery_label = Codice di recupero
recovery_hint = Inserisca uno dei codici di recupero che ha conservato. Ognuno vale una sola volta.
pow_title = Controllo del browser
pow_hint = Il Suo browser sta risolvendo un piccolo calcolo. Bastano pochi secondi e non deve fare nulla.
pow_no_script = Questo controllo richiede JavaScript. Lo attivi e ricarichi la pagina, oppure scelga un altro metodo.
pow_start = Avvia il controllo
confirm = Conferma
other_ways = Altro metodo
way_totp = App di autenticazione
way_email_code = Codice per e-mail
way_sms_code = Codice per SMS
way_voice_code = Codice per telefono
way_captcha = Test contro i robot
way_recovery_code = Codice di recupero
way_pow = Controllo del browser
wrong = Non ha funzionato. Controlli ciò che ha inserito e riprovi.
locked_method = Troppe risposte errate. Questo metodo resta bloccato ancora per { $minutes } { $minutes ->
    [one] minuto
   *[other] minuti
}. Può usare un altro metodo.

# Afterwards
title_confirmed = Confermato
confirmed_go_on = Grazie. Prema il pulsante per riprendere dal punto in cui si trovava.
confirmed_close = Grazie. Può riprendere dal punto in cui si trovava.
confirmed_again = Grazie. Non è stato possibile conservare ciò che ha inviato. Torni indietro e lo invii di nuovo; non Le sarà chiesta un’altra conferma.
already_confirmed = Ha già confermato questo passaggio.
continue_to = Prosegui su { $service }
title_gone = Questo passaggio è terminato
gone = È scaduto o è stato concluso altrove. Nulla è stato inviato. La preghiamo di ricominciare.

# Refusing
title_refused = Al momento non è possibile
title_locked = Temporaneamente bloccato
title_busy = Troppe richieste
title_unavailable = Riprovi tra poco
refused = La Sua richiesta non è stata eseguita. Se ha bisogno di aiuto, indichi il riferimento riportato sotto.
refused_locked = Ci sono stati troppi tentativi non riusciti. Riprovi più tardi.
refused_rate = Troppo veloce. Attenda un momento e riprovi.
refused_unavailable = In questo momento non possiamo verificare la Sua richiesta. Non è stata eseguita.
refused_cross_site = La richiesta proveniva da un altro sito e non è stata eseguita. Ricominci direttamente su { $service }.
refused_malformed = La richiesta non è leggibile e non è stata eseguita.
refused_resume = Ciò che stava per inviare è già stato inviato, è scaduto o appartiene a un’altra persona. Non è stato inviato di nuovo.
refused_elsewhere = Ciò che stava per inviare è conservato in modo sicuro, ma questo server non riesce a raggiungere il luogo in cui si trova. Non è stato inviato e non è andato perso. Riprovi tra poco.
refused_insecure = È necessaria una connessione sicura (https).
retry_in = Potrà riprovare tra circa { $minutes } { $minutes ->
    [one] minuto
   *[other] minuti
}.

# What shipped policies tell
tell_agent_not_a_machine = Questo accesso è riservato ai programmi registrati.
tell_agent_stale_token = Il token di accesso è troppo vecchio. Ne richieda uno nuovo e riprovi.
tell_contact_refused = I Suoi dati di contatto non sono stati modificati. Se la richiesta era Sua, La preghiamo di chiamarci.
tell_login_refused = Da qui non è possibile accedere.
tell_login_unusual = Questo accesso è diverso dal solito.
tell_reset_refused = Da qui non è possibile reimpostare la password.
tell_signup_refused = Da qui non è possibile aprire un conto.
tell_signup_robot = Dimostri di non essere un robot.
tell_transfer_refused = Questo bonifico non è stato eseguito. La preghiamo di chiamarci.

# Setting up
title_methods = Metodi per confermare la Sua identità
methods_none = Non è ancora configurato nulla.
methods_list = Metodi configurati
method_totp = App di autenticazione, aggiunta il { $date }
method_recovery = Codici di recupero (rimasti: { $left })
method_recovery_title = Codici di recupero
add_totp = Aggiungi un’app di autenticazione
new_recovery = Crea nuovi codici di recupero
remove = Rimuovi
remove_totp = Rimuovi l’app di autenticazione aggiunta il { $date }
title_add_totp = Aggiunga un’app di autenticazione
scan = Inquadri questa immagine con l’app di autenticazione.
scan_alt = Codice QR con la chiave di configurazione riportata sotto
scan_key = Oppure inserisca questa chiave nell’app:
scan_code = Poi inserisca le sei cifre mostrate dall’app
save = Salva
event_change_how_you_confirm = Modifica dei metodi di conferma
cancel = Annulla
title_recovery = I Suoi codici di recupero
recovery_once = Conservi questi codici in un luogo sicuro. Vengono mostrati solo ora. Ognuno vale una sola volta, quando non ha l’app a portata di mano.
recovery_kept = Li ho conservati
enrol_refused = Ora non è possibile configurarlo. Acceda di nuovo da un dispositivo già usato in precedenza oppure usi un metodo già configurato.
enrol_sign_in = Prima effettui l’accesso.
title_invited = Configuri un metodo per confermare la Sua identità
date = { $day }/{ $month }/{ $year }
number = 1.234.567,89

# Mail
mail_code_subject = Il Suo codice per { $service }
mail_code_intro = Qualcuno, speriamo Lei, sta confermando quanto segue su { $service }:
mail_code_label = Il Suo codice:
mail_code_end = È valido per dieci minuti e una sola volta. Non lo comunichi mai a chi Le telefona. Se non è stato Lei, non deve fare nulla; valuti di cambiare la password.
mail_address_subject = Il Suo indirizzo e-mail su { $service } è stato modificato
mail_address_body = Un nuovo indirizzo e-mail è stato aggiunto al Suo account su { $service }. I codici vi saranno inviati solo dopo 24 ore. Se non è stato Lei, contatti subito { $service }.
sms_message = { $code } è il Suo codice per { $service }. Non lo comunichi mai a chi Le telefona.
voice_message = Questa è una chiamata da { $service }. Il Suo codice è: { $code }. Ripeto: { $code }. Non lo comunichi mai a chi Le telefona.
mail_phone_subject = Il numero di telefono del Suo account su { $service } è stato modificato
mail_phone_body = Un nuovo numero di telefono è stato aggiunto al Suo account su { $service }. I codici vi saranno inviati solo dopo 24 ore. Se non è stato Lei, contatti subito { $service }.
mail_methods_subject = I Suoi metodi di conferma su { $service } sono stati modificati
mail_methods_added = Per il Suo account su { $service } è stato configurato quanto segue: { $method }.
mail_methods_removed = Dal Suo account su { $service } è stato rimosso quanto segue: { $method }.
mail_methods_renewed = Per il Suo account su { $service } sono stati creati nuovi codici di recupero. Quelli precedenti non sono più validi.
mail_methods_reset = { $service } ha rimosso tutti i metodi configurati nel Suo account per confermare la Sua identità e ha chiuso tutte le Sue sessioni.
mail_notice_subject = Attività nel Suo account su { $service }
mail_notice_intro = Nel Suo account su { $service } è avvenuto quanto segue:
mail_notice_passed_on = La richiesta è stata inoltrata e può aver avuto effetto.
mail_notice_asked = Prima di procedere è stata chiesta una conferma.
mail_notice_refused = La richiesta non è stata eseguita.
mail_notice_end = Se è stato Lei, non deve fare nulla. In caso contrario, contatti subito { $service }.

# What is confirmed
event_admin_area = Amministrazione
event_change_contact_data = Modifica dei dati di contatto
event_login = Accesso
event_logout = Uscita
event_password_reset = Nuova password
event_sign_up = Apertura del conto
event_transfer_money = Bonifico
fact_amount = Importo
fact_email = Indirizzo e-mail
fact_payee = Beneficiario
way_passkey = Passkey
passkey_use = Usa la Sua passkey
passkey_hint = Confermi con l’impronta digitale, il volto o il blocco del dispositivo.
passkey_none = Questo browser non può usare le passkey. Scelga un altro metodo oppure apra questa pagina in un altro browser.
passkey_no_script = Le passkey richiedono JavaScript. Lo attivi e ricarichi la pagina, oppure scelga un altro metodo.
passkey_stopped = Non è stata usata alcuna passkey. Può riprovare o scegliere un altro metodo.
passkey_there = Questo dispositivo ha già una passkey per il Suo account.
passkey_wrong = Non ha funzionato. Riprovi oppure scelga un altro metodo.
passkey_failed = Non è stato possibile configurare la passkey. Riprovi.
passkey_about = Una passkey conferma la Sua identità con l’impronta digitale, il volto o il blocco del dispositivo. Non può essere indovinata e funziona solo su questo sito.
passkey_label = Nome (facoltativo)
passkey_label_hint = Per riconoscerla nell’elenco, ad esempio «il mio telefono».
passkey_make = Crea una passkey
add_passkey = Aggiungi una passkey
method_passkey = Passkey, aggiunta il { $date }
method_passkey_named = Passkey «{ $label }», aggiunta il { $date }
remove_passkey = Rimuovi la passkey aggiunta il { $date }
remove_passkey_named = Rimuovi la passkey «{ $label }» aggiunta il { $date }
event_app = La Sua richiesta

# Signing in at the customer's own identity provider
way_oidc = Accedi di nuovo
oidc_hint = Si aprirà la Sua consueta pagina di accesso e poi tornerà qui.
oidc_go = Accedi di nuovo
oidc_abandoned = L’accesso non è stato effettuato. Nulla è stato confermato. Può riprovare o scegliere un altro metodo.
oidc_unreachable = La pagina di accesso al momento non risponde. Riprovi tra poco.
oidc_unconfirmed = Non è stato possibile confermare il Suo accesso. Riprovi o scelga un altro metodo.
oidc_weak = Il Suo accesso non era abbastanza sicuro per questa operazione. Acceda di nuovo con il secondo fattore o la passkey.
oidc_old = Il Suo ultimo accesso risale a troppo tempo fa. Acceda di nuovo.
oidc_stale = Quell’accesso è già stato usato o ha richiesto troppo tempo. Acceda di nuovo.
oidc_often = La pagina di accesso è stata aperta molte volte. Attenda alcuni minuti o scelga un altro metodo.
oidc_somebody_else = Ha effettuato l’accesso un’altra persona. Acceda con la stessa identità che usa qui.
way_id_document = Documento d’identità
way_push = Richiesta sul Suo telefono
id_document_hint = Tenga pronto il Suo documento d’identità. Segua la verifica passo dopo passo; poi tornerà qui.
id_document_go = Verifica il mio documento d’identità
id_document_pending = Il Suo documento d’identità è in corso di verifica.
push_hint = Una richiesta viene inviata all’app sul Suo telefono. La approvi solo se è stato Lei a farla qui.
push_go = Invia la richiesta
push_pending = Una richiesta è stata inviata all’app sul Suo telefono, se vi è configurata. Non è arrivato nulla? Scelga un altro metodo.
push_number = Confronti questo numero con quello sul Suo telefono, oppure lo scelga lì:
verify_review = Una persona sta esaminando i Suoi documenti. Può volerci un po’ di tempo. Può chiudere questa pagina e tornare più tardi.
verify_updates = Questa pagina si aggiorna da sola.
verify_look = Controlla ora
verify_back = Prosegui con la verifica
confirmed_late = Grazie, è confermato. Ciò che ha inviato non è più conservato qui. Se non è stato eseguito, torni indietro e lo invii di nuovo; non Le sarà chiesta un’altra conferma.
verify_refused = La richiesta è stata rifiutata, quindi nulla è stato confermato.
verify_over = L’operazione ha richiesto troppo tempo o è stata interrotta. Nulla è stato confermato; può riprovare.
verify_often = Ci sono stati moltissimi tentativi. Attenda un po’ oppure scelga un altro metodo.
verify_unreachable = Al momento non è possibile.

# Approval by a colleague: who asks, and who answers
way_approval = Approvazione di un collega
approval_hint = A chi può approvare viene chiesto di esaminare la richiesta. Senza approvazione non si prosegue.
approval_go = Chiedi l’approvazione
approval_pending = Chi può approvare è stato avvisato. Puoi chiudere questa pagina e tornare più tardi.
approval_withdraw = Ritira la richiesta
title_approvals = Approvazioni
title_approval = Approvi questa richiesta?
approvals_none = Nulla è in attesa della tua approvazione.
approvals_wait = In attesa della tua approvazione:
approval_who = Chi la chiede
approval_what = Per che cosa
approval_times = Chiesta il { $asked }, in attesa fino al { $until }.
approval_exact = Approvi esattamente questo e nient’altro. Se non sai perché ti viene chiesto, rifiuta.
approval_approve = Approva con la tua passkey
approval_refuse = Rifiuta
approval_needs_passkey = Per approvare ti serve una passkey. Puoi aggiungerne una qui:
approval_approved = È approvata.
approval_refused = È stata rifiutata.
approval_withdrawn = È stata ritirata. Non c’è più nulla da approvare.
approval_expired = È scaduta. Non c’è più nulla da approvare.
mail_approval_subject = Si chiede la tua approvazione su { $service }
mail_approval_intro = Qualcuno chiede la tua approvazione su { $service }:
mail_approval_end = Accedi ed esamina la richiesta qui. Se non sai perché ti viene chiesta, rifiuta.
