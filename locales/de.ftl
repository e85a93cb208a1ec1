error_prefix = Fehler
reference = Referenz
back_to_service = Weiter zu { $service }

# Asking
title_confirm = Bestätigen Sie, dass Sie es sind
why = { $service } braucht eine Bestätigung, bevor es weitergeht mit:
why_bound = Sie bestätigen genau dies. Stimmt etwas davon nicht mit Ihrer Eingabe überein, brechen Sie ab.
code_label = Sechsstelliger Code
totp_label = Code aus Ihrer Authenticator-App
totp_hint = Öffnen Sie Ihre Authenticator-App und geben Sie die sechs Ziffern ein, die sie anzeigt.
email_label = Code aus der E-Mail
email_hint = Falls eine E-Mail-Adresse hinterlegt ist, ist ein sechsstelliger Code unterwegs. Er gilt zehn Minuten.
email_send = Code per E-Mail senden
email_send_hint = Ein sechsstelliger Code wird an die hinterlegte E-Mail-Adresse gesendet, falls es eine gibt.
email_again = Neuen Code senden
email_trouble = Die E-Mail konnte nicht gesendet werden: Der Mailserver antwortet nicht. Bitte fordern Sie gleich einen neuen Code an.
email_trouble_other = Sie können auch einen anderen Weg wählen.
email_late = Falls trotzdem ein sechsstelliger Code ankommt, geben Sie ihn hier ein. Er gilt zehn Minuten.
email_wait = Eben wurde ein Code gesendet. Bitte warten Sie { $seconds } { $seconds ->
    [one] Sekunde
   *[other] Sekunden
}, bevor Sie einen neuen anfordern.
sms_label = Code aus der SMS
sms_hint = Wenn eine Telefonnummer hinterlegt ist, ist eine SMS mit einem sechsstelligen Code unterwegs. Er gilt zehn Minuten.
sms_send = Code per SMS senden
sms_send_hint = Ein sechsstelliger Code geht an die hinterlegte Telefonnummer, wenn es eine gibt.
sms_again = Noch eine SMS senden
voice_label = Code aus dem Anruf
voice_hint = Wenn eine Telefonnummer hinterlegt ist, klingelt es dort, und eine Stimme sagt sechs Ziffern. Sie gelten zehn Minuten.
voice_send = Mit einem Code anrufen
voice_send_hint = Die hinterlegte Telefonnummer wird angerufen, wenn es eine gibt, und sechs Ziffern werden angesagt.
voice_again = Noch einmal anrufen
captcha_hint = Bitte zeigen Sie, dass Sie kein Roboter sind, und bestätigen Sie dann.
captcha_other = Einen anderen Test zeigen
captcha_trouble = Der Test gegen Roboter kann gerade nicht gezeigt werden.
captcha_unheard = Der Test konnte nicht geprüft werden. Hier ist ein anderer.
recovery_label = Wiederherstellungscode
recovery_hint = Geben Sie einen der Wiederherstellungscodes ein, die Sie aufbewahrt haben. Jeder gilt einmal.
pow_title = Ihr Browser wird geprüft
pow_hint = Ihr Browser löst eine kleine Aufgabe. Das dauert einige Sekunden, Sie müssen nichts tun.
pow_no_script = Diese Prüfung braucht JavaScript. Bitte schalten Sie es ein und laden Sie die Seite neu, oder wählen Sie einen anderen Weg.
pow_start = Prüfung starten
confirm = Bestätigen
other_ways = Anderer Weg
way_totp = Authenticator-App
way_email_code = Code per E-Mail
way_sms_code = Code per SMS
way_voice_code = Code per Anruf
way_captcha = Test gegen Roboter
way_recovery_code = Wiederherstellungscode
way_pow = Browserprüfung
wrong = Das hat nicht geklappt. Prüfen Sie Ihre Eingabe und versuchen Sie es noch einmal.
locked_method = Zu viele falsche Eingaben. Dieser Weg ist noch { $minutes } { $minutes ->
    [one] Minute
   *[other] Minuten
} gesperrt. Sie können einen anderen Weg nehmen.

# Afterwards
title_confirmed = Bestätigt
confirmed_go_on = Danke. Drücken Sie auf den Knopf, um dort weiterzumachen, wo Sie waren.
confirmed_close = Danke. Sie können dort weitermachen, wo Sie waren.
confirmed_again = Danke. Ihre Eingabe konnte nicht aufbewahrt werden. Bitte gehen Sie zurück und senden Sie sie noch einmal; Sie werden nicht erneut gefragt.
already_confirmed = Diesen Schritt haben Sie schon bestätigt.
continue_to = Weiter zu { $service }
title_gone = Dieser Schritt ist vorbei
gone = Er ist abgelaufen oder wurde anderswo beendet. Es wurde nichts gesendet. Bitte fangen Sie noch einmal an.

# Refusing
title_refused = Das geht im Moment nicht
title_locked = Vorübergehend gesperrt
title_busy = Zu viele Anfragen
title_unavailable = Bitte gleich noch einmal versuchen
refused = Ihr Auftrag wurde nicht ausgeführt. Wenn Sie Hilfe brauchen, nennen Sie die Referenz unten.
refused_locked = Es gab zu viele Fehlversuche. Bitte versuchen Sie es später noch einmal.
refused_rate = Das war zu schnell. Bitte warten Sie ein wenig und versuchen Sie es noch einmal.
refused_unavailable = Wir können Ihren Auftrag im Moment nicht prüfen. Er wurde nicht ausgeführt.
refused_cross_site = Der Auftrag kam von einer anderen Website und wurde nicht ausgeführt. Bitte beginnen Sie direkt bei { $service }.
refused_malformed = Der Auftrag ist nicht lesbar und wurde nicht ausgeführt.
refused_resume = Was Sie senden wollten, wurde schon gesendet, ist abgelaufen oder gehört jemand anderem. Es wurde nicht noch einmal gesendet.
# What waits lies in the folder of another server of the same service.
refused_elsewhere = Was Sie senden wollen, ist sicher aufbewahrt, aber dieser Server erreicht den Ort nicht, an dem es wartet. Es wurde nicht gesendet und ist nicht verloren. Bitte versuchen Sie es gleich noch einmal.
refused_insecure = Dafür ist eine sichere Verbindung (https) nötig.
retry_in = In etwa { $minutes } { $minutes ->
    [one] Minute
   *[other] Minuten
} können Sie es noch einmal versuchen.

# What shipped policies tell
tell_agent_not_a_machine = Dies ist nur für angemeldete Programme.
tell_agent_stale_token = Das Zugriffstoken ist zu alt. Bitte holen Sie ein neues und versuchen Sie es noch einmal.
tell_contact_refused = Ihre Kontaktdaten wurden nicht geändert. Bitte rufen Sie uns an, wenn Sie das waren.
tell_login_refused = Von hier aus ist keine Anmeldung möglich.
tell_login_unusual = Diese Anmeldung unterscheidet sich von Ihren gewohnten.
tell_reset_refused = Von hier aus kann das Passwort nicht zurückgesetzt werden.
tell_signup_refused = Von hier aus kann kein Konto eröffnet werden.
tell_signup_robot = Bitte zeigen Sie, dass Sie kein Roboter sind.
tell_transfer_refused = Diese Überweisung wurde nicht ausgeführt. Bitte rufen Sie uns an.

# Setting up
title_methods = Wege zu bestätigen, dass Sie es sind
methods_none = Noch ist nichts eingerichtet.
methods_list = Eingerichtet
method_totp = Authenticator-App, hinzugefügt am { $date }
method_recovery = Wiederherstellungscodes, noch { $left }
method_recovery_title = Wiederherstellungscodes
add_totp = Authenticator-App hinzufügen
new_recovery = Neue Wiederherstellungscodes erstellen
remove = Entfernen
remove_totp = Authenticator-App vom { $date } entfernen
title_add_totp = Authenticator-App hinzufügen
scan = Scannen Sie dieses Bild mit Ihrer Authenticator-App.
scan_alt = QR-Code mit dem Schlüssel, der darunter steht
scan_key = Oder tippen Sie diesen Schlüssel in die App:
scan_code = Geben Sie dann die sechs Ziffern ein, die die App anzeigt
save = Speichern
event_change_how_you_confirm = Ändern, wie Sie sich ausweisen
cancel = Abbrechen
title_recovery = Ihre Wiederherstellungscodes
recovery_once = Bewahren Sie diese Codes gut auf. Sie werden nur jetzt gezeigt. Jeder gilt einmal, wenn Ihre App nicht zur Hand ist.
recovery_kept = Ich habe sie aufbewahrt
enrol_refused = Das kann jetzt nicht eingerichtet werden. Melden Sie sich auf einem schon benutzten Gerät neu an oder nehmen Sie einen Weg, der schon eingerichtet ist.
enrol_sign_in = Bitte melden Sie sich zuerst an.
title_invited = Richten Sie einen Weg ein, zu bestätigen, dass Sie es sind
date = { $day }.{ $month }.{ $year }
number = 1.234.567,89

# Mail
mail_code_subject = Ihr Code für { $service }
mail_code_intro = Jemand, hoffentlich Sie, bestätigt dies bei { $service }:
mail_code_label = Ihr Code:
mail_code_end = Er gilt zehn Minuten und nur einmal. Nennen Sie ihn niemandem, der Sie anruft. Wenn Sie das nicht waren, müssen Sie nichts tun; überlegen Sie, Ihr Passwort zu ändern.
mail_address_subject = Ihre E-Mail-Adresse bei { $service } wurde geändert
mail_address_body = Ihrem Konto bei { $service } wurde eine neue E-Mail-Adresse hinzugefügt. Codes gehen erst nach 24 Stunden dorthin. Wenn Sie das nicht waren, melden Sie sich bitte sofort bei { $service }.
sms_message = { $code } ist Ihr Code für { $service }. Sagen Sie ihn niemandem, der Sie anruft.
voice_message = Dies ist ein Anruf von { $service }. Ihr Code lautet: { $code }. Noch einmal: { $code }. Sagen Sie ihn niemandem, der Sie anruft.
mail_phone_subject = Die Telefonnummer Ihres Kontos bei { $service } wurde geändert
mail_phone_body = Ihrem Konto bei { $service } wurde eine neue Telefonnummer hinzugefügt. Codes gehen erst nach 24 Stunden dorthin. Wenn Sie das nicht waren, wenden Sie sich bitte sofort an { $service }.
mail_methods_subject = Ihre Bestätigungswege bei { $service } wurden geändert
mail_methods_added = Für Ihr Konto bei { $service } wurde eingerichtet: { $method }.
mail_methods_removed = Aus Ihrem Konto bei { $service } wurde entfernt: { $method }.
mail_methods_renewed = Für Ihr Konto bei { $service } wurden neue Wiederherstellungscodes erstellt. Die alten gelten nicht mehr.
mail_methods_reset = { $service } hat alle eingerichteten Bestätigungswege Ihres Kontos entfernt und Sie überall abgemeldet.
mail_notice_subject = Aktivität in Ihrem Konto bei { $service }
mail_notice_intro = Dies ist in Ihrem Konto bei { $service } geschehen:
mail_notice_passed_on = Es wurde weitergeleitet und kann wirksam geworden sein.
mail_notice_asked = Vor dem nächsten Schritt wurde eine Bestätigung verlangt.
mail_notice_refused = Es wurde nicht ausgeführt.
mail_notice_end = Wenn Sie das waren, müssen Sie nichts tun. Wenn nicht, melden Sie sich bitte sofort bei { $service }.

# What is confirmed
event_admin_area = Verwaltung
event_change_contact_data = Änderung der Kontaktdaten
event_login = Anmeldung
event_logout = Abmeldung
event_password_reset = Neues Passwort
event_sign_up = Neues Konto
event_transfer_money = Überweisung
fact_amount = Betrag
fact_email = E-Mail-Adresse
fact_payee = Empfänger

# Passkeys
way_passkey = Passkey
passkey_use = Passkey verwenden
passkey_hint = Bestätigen Sie mit Fingerabdruck, Gesicht oder der Sperre Ihres Geräts.
passkey_none = Dieser Browser kann keine Passkeys verwenden. Bitte wählen Sie einen anderen Weg oder öffnen Sie die Seite in einem anderen Browser.
passkey_no_script = Passkeys brauchen JavaScript. Bitte schalten Sie es ein und laden Sie die Seite neu, oder wählen Sie einen anderen Weg.
passkey_stopped = Es wurde kein Passkey verwendet. Sie können es noch einmal versuchen oder einen anderen Weg wählen.
passkey_there = Dieses Gerät hat schon einen Passkey für Ihr Konto.
passkey_wrong = Das hat nicht funktioniert. Bitte versuchen Sie es noch einmal oder wählen Sie einen anderen Weg.
passkey_failed = Der Passkey konnte nicht eingerichtet werden. Bitte versuchen Sie es noch einmal.
passkey_about = Ein Passkey bestätigt mit Fingerabdruck, Gesicht oder der Sperre Ihres Geräts, dass Sie es sind. Er lässt sich nicht erraten und funktioniert nur auf dieser Website.
passkey_label = Name (freiwillig)
passkey_label_hint = Damit Sie ihn in der Liste wiedererkennen, etwa „mein Telefon“.
passkey_make = Passkey anlegen
add_passkey = Passkey hinzufügen
method_passkey = Passkey, hinzugefügt am { $date }
method_passkey_named = Passkey „{ $label }“, hinzugefügt am { $date }
remove_passkey = Den am { $date } hinzugefügten Passkey entfernen
remove_passkey_named = Den am { $date } hinzugefügten Passkey „{ $label }“ entfernen

# Where the app asks for a proof of a request that is no event of a policy.
event_app = Ihre Anfrage

# Anmelden beim eigenen Identitätsanbieter des Kunden
way_oidc = Erneut anmelden
oidc_hint = Sie kommen auf Ihre gewohnte Anmeldeseite und danach hierher zurück.
oidc_go = Erneut anmelden
oidc_abandoned = Sie haben sich nicht angemeldet. Nichts wurde bestätigt. Versuchen Sie es noch einmal oder wählen Sie einen anderen Weg.
oidc_unreachable = Die Anmeldeseite antwortet gerade nicht. Bitte versuchen Sie es gleich noch einmal.
oidc_unconfirmed = Ihre Anmeldung ließ sich nicht bestätigen. Bitte versuchen Sie es noch einmal oder wählen Sie einen anderen Weg.
oidc_weak = Ihre Anmeldung war dafür nicht stark genug. Bitte melden Sie sich mit Ihrem zweiten Faktor oder Passkey an.
oidc_old = Ihre letzte Anmeldung liegt zu lange zurück. Bitte melden Sie sich erneut an.
oidc_stale = Diese Anmeldung wurde schon verwendet oder hat zu lange gedauert. Bitte melden Sie sich erneut an.
oidc_often = Sie wurden sehr oft zur Anmeldeseite geschickt. Bitte warten Sie einige Minuten oder wählen Sie einen anderen Weg.
oidc_somebody_else = Dort hat sich jemand anderes angemeldet. Bitte melden Sie sich als die Person an, die Sie hier sind.

# Ausweise und Anfragen auf dem Telefon
way_id_document = Ausweis
way_push = Anfrage auf Ihrem Telefon
id_document_hint = Halten Sie Ihren Ausweis bereit. Sie werden durch die Prüfung geführt und kommen danach hierher zurück.
id_document_go = Meinen Ausweis prüfen
id_document_pending = Ihr Ausweis wird geprüft.
push_hint = Eine Anfrage geht an die App auf Ihrem Telefon. Bestätigen Sie sie nur, wenn Sie selbst hier angefragt haben.
push_go = Anfrage senden
push_pending = Eine Anfrage ging an die App auf Ihrem Telefon, falls sie dort eingerichtet ist. Nichts angekommen? Wählen Sie einen anderen Weg.
push_number = Vergleichen Sie diese Zahl mit der auf Ihrem Telefon, oder wählen Sie sie dort:
verify_review = Ein Mensch sieht sich Ihre Unterlagen an. Das kann eine Weile dauern. Sie können diese Seite schließen und wiederkommen.
verify_updates = Diese Seite aktualisiert sich selbst.
verify_look = Jetzt nachsehen
verify_back = Weiter mit der Prüfung
confirmed_late = Danke, das ist bestätigt. Was Sie gesendet haben, ist hier nicht mehr aufbewahrt. Falls es nicht ausgeführt wurde, gehen Sie zurück und senden Sie es noch einmal; Sie werden nicht noch einmal gefragt.
verify_refused = Das wurde abgelehnt; es wurde nichts bestätigt.
verify_over = Das dauerte zu lange oder wurde abgebrochen. Es wurde nichts bestätigt; Sie können es noch einmal versuchen.
verify_often = Das wurde sehr oft versucht. Bitte warten Sie eine Weile, oder wählen Sie einen anderen Weg.
verify_unreachable = Das ist im Augenblick nicht möglich.

# Approval by a colleague: who asks, and who answers
way_approval = Freigabe durch eine Kollegin oder einen Kollegen
approval_hint = Jemand, der dies freigeben darf, wird gebeten, es anzusehen. Ohne Freigabe geht es nicht weiter.
approval_go = Um Freigabe bitten
approval_pending = Wer dies freigeben darf, wurde gefragt. Sie können diese Seite schließen und wiederkommen.
approval_withdraw = Anfrage zurückziehen
title_approvals = Freigaben
title_approval = Geben Sie das frei?
approvals_none = Nichts wartet auf Ihre Freigabe.
approvals_wait = Das wartet auf Ihre Freigabe:
approval_who = Wer fragt
approval_what = Wofür
approval_times = Gefragt am { $asked }, wartet bis { $until }.
approval_exact = Sie geben genau das frei und sonst nichts. Wenn Sie nicht wissen, warum gefragt wird, lehnen Sie ab.
approval_approve = Mit Ihrem Passkey freigeben
approval_refuse = Ablehnen
approval_needs_passkey = Zum Freigeben brauchen Sie einen Passkey. Hier können Sie einen hinzufügen:
approval_approved = Das ist freigegeben.
approval_refused = Das wurde abgelehnt.
approval_withdrawn = Das wurde zurückgezogen. Es gibt nichts mehr freizugeben.
approval_expired = Das ist abgelaufen. Es gibt nichts mehr freizugeben.
mail_approval_subject = Ihre Freigabe wird bei { $service } erbeten
mail_approval_intro = Jemand bittet Sie bei { $service } um Freigabe:
mail_approval_end = Melden Sie sich an und sehen Sie es hier an. Wenn Sie nicht wissen, warum gefragt wird, lehnen Sie ab.
