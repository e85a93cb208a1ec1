error_prefix = Fout
reference = Referentie
back_to_service = Verder naar { $service }

# Asking
title_confirm = Bevestig dat u het bent
why = { $service } vraagt om een bevestiging voordat het verdergaat met:
why_bound = U bevestigt precies dit. Klopt iets niet met wat u hebt ingevoerd, ga dan niet verder.
code_label = Zescijferige code
totp_label = Code uit uw authenticator-app
totp_hint = Open uw authenticator-app en typ de zes cijfers die worden getoond.
email_label = Code uit de e-mail
email_hint = Als er een e-mailadres bekend is, is er een zescijferige code onderweg. De code is tien minuten geldig.
email_send = Stuur mij een code per e-mail
email_send_hint = Er wordt een zescijferige code gestuurd naar het e-mailadres dat bekend is, als dat er is.
email_again = Nieuwe code sturen
email_trouble = De e-mail kon niet worden verzonden: de mailserver antwoordt niet. Vraag over een ogenblik een nieuwe code aan.
email_trouble_other = U kunt ook een andere manier kiezen.
email_late = Ontvangt u toch een zescijferige code, typ die dan hier. De code is tien minuten geldig.
email_wait = Er is zojuist een code verzonden. Wacht nog { $seconds } { $seconds ->
    [one] seconde
   *[other] seconden
} voordat u een nieuwe aanvraagt.
sms_label = Code uit het sms-bericht
sms_hint = Als er een telefoonnummer bekend is, is er een sms met een zescijferige code onderweg. De code is tien minuten geldig.
sms_send = Stuur mij een code per sms
sms_send_hint = Er wordt een zescijferige code gestuurd naar het telefoonnummer dat bekend is, als dat er is.
sms_again = Nieuwe sms sturen
voice_label = Code uit het telefoongesprek
voice_hint = Als er een telefoonnummer bekend is, gaat de telefoon en noemt een stem zes cijfers. Ze zijn tien minuten geldig.
voice_send = Bel mij met een code
voice_send_hint = Het telefoonnummer dat bekend is wordt gebeld, als dat er is, en er worden zes cijfers genoemd.
voice_again = Opnieuw bellen
captcha_hint = Toon aan dat u geen robot bent en bevestig daarna.
captcha_other = Andere test tonen
captcha_trouble = De test tegen robots kan op dit moment niet worden getoond.
captcha_unheard = De test kon niet worden gecontroleerd. Hier is een andere.
recovery_label = Herstelcode
recovery_hint = Typ een van de herstelcodes die u hebt bewaard. Elke code werkt één keer.
pow_title = Uw browser wordt gecontroleerd
pow_hint = Uw browser lost een kleine puzzel op. Dat duurt enkele seconden en u hoeft niets te doen.
pow_no_script = Voor deze controle is JavaScript nodig. Zet het aan en laad de pagina opnieuw, of kies een andere manier.
pow_start = Controle starten
confirm = Bevestigen
other_ways = Andere manier
way_totp = Authenticator-app
way_email_code = Code per e-mail
way_sms_code = Code per sms
way_voice_code = Code per telefoon
way_captcha = Test tegen robots
way_recovery_code = Herstelcode
way_pow = Browsercontrole
wrong = Dat is niet gelukt. Controleer wat u hebt getypt en probeer het opnieuw.
locked_method = Te veel foute antwoorden. Deze manier is nog { $minutes } { $minutes ->
    [one] minuut
   *[other] minuten
} geblokkeerd. U kunt een andere manier gebruiken.

# Afterwards
title_confirmed = Bevestigd
confirmed_go_on = Dank u. Druk op de knop om verder te gaan waar u was.
confirmed_close = Dank u. U kunt verdergaan waar u was.
confirmed_again = Dank u. Wat u hebt verstuurd kon niet worden bewaard. Ga terug en verstuur het opnieuw; u wordt niet nog eens om bevestiging gevraagd.
already_confirmed = U hebt deze stap al bevestigd.
continue_to = Verder naar { $service }
title_gone = Deze stap is voorbij
gone = De stap is verlopen of ergens anders afgerond. Er is niets verstuurd. Begin alstublieft opnieuw.

# Refusing
title_refused = Dit kan nu niet
title_locked = Tijdelijk geblokkeerd
title_busy = Te veel aanvragen
title_unavailable = Probeer het zo dadelijk opnieuw
refused = Uw opdracht is niet uitgevoerd. Hebt u hulp nodig, noem dan de referentie hieronder.
refused_locked = Er waren te veel mislukte pogingen. Probeer het later opnieuw.
refused_rate = Dat ging te snel. Wacht even en probeer het opnieuw.
refused_unavailable = We kunnen uw opdracht op dit moment niet controleren. De opdracht is niet uitgevoerd.
refused_cross_site = De opdracht kwam van een andere website en is niet uitgevoerd. Begin opnieuw bij { $service } zelf.
refused_malformed = De opdracht is niet leesbaar en is niet uitgevoerd.
refused_resume = Wat u wilde versturen is al verstuurd, is verlopen of hoort bij iemand anders. Het is niet opnieuw verstuurd.
refused_elsewhere = Wat u wilde versturen is veilig bewaard, maar deze server kan de plaats waar het staat niet bereiken. Het is niet verstuurd en niet verloren. Probeer het over een ogenblik opnieuw.
refused_insecure = Hiervoor is een beveiligde verbinding (https) nodig.
retry_in = U kunt het over ongeveer { $minutes } { $minutes ->
    [one] minuut
   *[other] minuten
} opnieuw proberen.

# What shipped policies tell
tell_agent_not_a_machine = Dit is alleen voor geregistreerde programma’s.
tell_agent_stale_token = Het toegangstoken is te oud. Vraag een nieuw token aan en probeer het opnieuw.
tell_contact_refused = Uw contactgegevens zijn niet gewijzigd. Was u dit, bel ons dan.
tell_login_refused = Inloggen is vanaf hier niet mogelijk.
tell_login_unusual = Deze aanmelding wijkt af van uw gebruikelijke aanmeldingen.
tell_reset_refused = Het wachtwoord kan vanaf hier niet opnieuw worden ingesteld.
tell_signup_refused = Vanaf hier kan geen account worden geopend.
tell_signup_robot = Toon alstublieft aan dat u geen robot bent.
tell_transfer_refused = Deze overboeking is niet uitgevoerd. Bel ons alstublieft.

# Setting up
title_methods = Manieren om te bevestigen dat u het bent
methods_none = Er is nog niets ingesteld.
methods_list = Ingesteld
method_totp = Authenticator-app, toegevoegd op { $date }
method_recovery = Herstelcodes, nog { $left }
method_recovery_title = Herstelcodes
add_totp = Authenticator-app toevoegen
new_recovery = Nieuwe herstelcodes maken
remove = Verwijderen
remove_totp = Authenticator-app van { $date } verwijderen
title_add_totp = Authenticator-app toevoegen
scan = Scan deze afbeelding met uw authenticator-app.
scan_alt = QR-code met de instelsleutel die hieronder staat
scan_key = Of typ deze sleutel in de app:
scan_code = Typ daarna de zes cijfers die de app toont
save = Opslaan
event_change_how_you_confirm = Wijziging van hoe u bevestigt dat u het bent
cancel = Annuleren
title_recovery = Uw herstelcodes
recovery_once = Bewaar deze codes op een veilige plaats. Ze worden alleen nu getoond. Elke code werkt één keer, als u uw app niet bij de hand hebt.
recovery_kept = Ik heb ze bewaard
enrol_refused = Dit kan nu niet worden ingesteld. Log opnieuw in op een apparaat dat u al eerder hebt gebruikt, of gebruik een manier die al is ingesteld.
enrol_sign_in = Log eerst in.
title_invited = Stel een manier in om te bevestigen dat u het bent
date = { $day }-{ $month }-{ $year }
number = 1.234.567,89

# Mail
mail_code_subject = Uw code voor { $service }
mail_code_intro = Iemand, hopelijk u, bevestigt dit bij { $service }:
mail_code_label = Uw code:
mail_code_end = De code is tien minuten geldig en werkt één keer. Geef de code nooit aan iemand die u belt. Was u dit niet, dan hoeft u niets te doen; overweeg uw wachtwoord te wijzigen.
mail_address_subject = Uw e-mailadres bij { $service } is gewijzigd
mail_address_body = Er is een nieuw e-mailadres toegevoegd aan uw account bij { $service }. Codes worden er pas na 24 uur naartoe gestuurd. Was u dit niet, neem dan meteen contact op met { $service }.
sms_message = { $code } is uw code voor { $service }. Geef de code nooit aan iemand die u belt.
voice_message = Dit is een oproep van { $service }. Uw code is: { $code }. Nogmaals: { $code }. Geef de code nooit aan iemand die u belt.
mail_phone_subject = Het telefoonnummer van uw account bij { $service } is gewijzigd
mail_phone_body = Er is een nieuw telefoonnummer toegevoegd aan uw account bij { $service }. Codes worden er pas na 24 uur naartoe gestuurd. Was u dit niet, neem dan meteen contact op met { $service }.
mail_methods_subject = Hoe u bij { $service } bevestigt dat u het bent, is gewijzigd
mail_methods_added = Dit is ingesteld voor uw account bij { $service }: { $method }.
mail_methods_removed = Dit is verwijderd uit uw account bij { $service }: { $method }.
mail_methods_renewed = Er zijn nieuwe herstelcodes gemaakt voor uw account bij { $service }. De oude zijn niet meer geldig.
mail_methods_reset = { $service } heeft alle manieren verwijderd die voor uw account waren ingesteld om te bevestigen dat u het bent, en heeft u overal uitgelogd.
mail_notice_subject = Activiteit in uw account bij { $service }
mail_notice_intro = Dit is gebeurd in uw account bij { $service }:
mail_notice_passed_on = Het is doorgestuurd en kan effect hebben gehad.
mail_notice_asked = Er is om een bevestiging gevraagd voordat het verdergaat.
mail_notice_refused = Het is niet uitgevoerd.
mail_notice_end = Was u dit, dan hoeft u niets te doen. Zo niet, neem dan meteen contact op met { $service }.

# What is confirmed
event_admin_area = Beheer
event_change_contact_data = Wijziging van contactgegevens
event_login = Inloggen
event_logout = Uitloggen
event_password_reset = Nieuw wachtwoord
event_sign_up = Nieuw account
event_transfer_money = Overboeking
fact_amount = Bedrag
fact_email = E-mailadres
fact_payee = Begunstigde
way_passkey = Passkey
passkey_use = Uw passkey gebruiken
passkey_hint = Bevestig met uw vingerafdruk, uw gezicht of de vergrendeling van uw apparaat.
passkey_none = Deze browser kan geen passkeys gebruiken. Kies een andere manier of open deze pagina in een andere browser.
passkey_no_script = Voor passkeys is JavaScript nodig. Zet het aan en laad de pagina opnieuw, of kies een andere manier.
passkey_stopped = Er is geen passkey gebruikt. U kunt het opnieuw proberen of een andere manier kiezen.
passkey_there = Dit apparaat heeft al een passkey voor uw account.
passkey_wrong = Dat is niet gelukt. Probeer het opnieuw of kies een andere manier.
passkey_failed = De passkey kon niet worden ingesteld. Probeer het opnieuw.
passkey_about = Een passkey bevestigt dat u het bent met uw vingerafdruk, uw gezicht of de vergrendeling van uw apparaat. De passkey kan niet worden geraden en werkt alleen op deze website.
passkey_label = Naam (optioneel)
passkey_label_hint = Zo herkent u de passkey in de lijst, bijvoorbeeld ‘mijn telefoon’.
passkey_make = Passkey maken
add_passkey = Passkey toevoegen
method_passkey = Passkey, toegevoegd op { $date }
method_passkey_named = Passkey ‘{ $label }’, toegevoegd op { $date }
remove_passkey = Passkey van { $date } verwijderen
remove_passkey_named = Passkey ‘{ $label }’ van { $date } verwijderen
event_app = Uw opdracht

# Signing in at the customer's own identity provider
way_oidc = Opnieuw inloggen
oidc_hint = U gaat naar uw gewone inlogpagina en komt daarna hier terug.
oidc_go = Opnieuw inloggen
oidc_abandoned = U hebt niet ingelogd. Er is niets bevestigd. U kunt het opnieuw proberen of een andere manier kiezen.
oidc_unreachable = De inlogpagina antwoordt op dit moment niet. Probeer het zo dadelijk opnieuw.
oidc_unconfirmed = Uw aanmelding kon niet worden bevestigd. Probeer het opnieuw of kies een andere manier.
oidc_weak = Uw aanmelding was hiervoor niet sterk genoeg. Log opnieuw in met uw tweede factor of passkey.
oidc_old = Uw laatste aanmelding is te lang geleden. Log opnieuw in.
oidc_stale = Die aanmelding is al gebruikt of duurde te lang. Log opnieuw in.
oidc_often = U bent heel vaak naar de inlogpagina gestuurd. Wacht enkele minuten of kies een andere manier.
oidc_somebody_else = Daar heeft iemand anders ingelogd. Log in als dezelfde persoon als hier.
way_id_document = Identiteitsbewijs
way_push = Verzoek op uw telefoon
id_document_hint = Houd uw identiteitsbewijs bij de hand. U wordt door de controle geleid en komt daarna hier terug.
id_document_go = Mijn identiteitsbewijs controleren
id_document_pending = Uw identiteitsbewijs wordt gecontroleerd.
push_hint = Er wordt een verzoek gestuurd naar de app op uw telefoon. Keur het alleen goed als u het hier zelf hebt aangevraagd.
push_go = Verzoek sturen
push_pending = Er is een verzoek gestuurd naar de app op uw telefoon, als die daar is ingesteld. Niets ontvangen? Kies een andere manier.
push_number = Vergelijk dit getal met het getal op uw telefoon, of kies het daar:
verify_review = Een medewerker bekijkt uw documenten. Dat kan even duren. U kunt deze pagina sluiten en later terugkomen.
verify_updates = Deze pagina wordt vanzelf bijgewerkt.
verify_look = Nu kijken
verify_back = Verder met de controle
confirmed_late = Dank u, dit is bevestigd. Wat u hebt verstuurd, wordt hier niet meer bewaard. Is het niet uitgevoerd, ga dan terug en verstuur het opnieuw; u wordt niet nog eens om bevestiging gevraagd.
verify_refused = Dat is geweigerd, dus er is niets bevestigd.
verify_over = Dat duurde te lang of werd afgebroken. Er is niets bevestigd; u kunt het opnieuw proberen.
verify_often = Dat is erg vaak geprobeerd. Wacht een tijdje of kies een andere manier.
verify_unreachable = Dit kan op dit moment niet.

# Approval by a colleague: who asks, and who answers
way_approval = Goedkeuring door een collega
approval_hint = Iemand die dit mag goedkeuren, wordt gevraagd ernaar te kijken. Zonder goedkeuring gaat het niet door.
approval_go = Om goedkeuring vragen
approval_pending = Wie dit mag goedkeuren, is gevraagd. U kunt deze pagina sluiten en later terugkomen.
approval_withdraw = Verzoek intrekken
title_approvals = Goedkeuringen
title_approval = Keurt u dit goed?
approvals_none = Er wacht niets op uw goedkeuring.
approvals_wait = Dit wacht op uw goedkeuring:
approval_who = Wie het vraagt
approval_what = Waarvoor
approval_times = Gevraagd op { $asked }, wacht tot { $until }.
approval_exact = U keurt precies dit goed en niets anders. Weet u niet waarom het wordt gevraagd, weiger dan.
approval_approve = Goedkeuren met uw passkey
approval_refuse = Weigeren
approval_needs_passkey = Om dit goed te keuren hebt u een passkey nodig. Hier kunt u er een toevoegen:
approval_approved = Dit is goedgekeurd.
approval_refused = Dit is geweigerd.
approval_withdrawn = Dit is ingetrokken. Er valt niets meer goed te keuren.
approval_expired = Dit is verlopen. Er valt niets meer goed te keuren.
mail_approval_subject = Uw goedkeuring wordt gevraagd bij { $service }
mail_approval_intro = Iemand vraagt uw goedkeuring bij { $service }:
mail_approval_end = Meld u aan en bekijk het hier. Weet u niet waarom het wordt gevraagd, weiger dan.
