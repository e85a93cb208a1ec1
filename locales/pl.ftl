error_prefix = Błąd
reference = Numer referencyjny
back_to_service = Przejdź do { $service }

# Asking
title_confirm = Potwierdź swoją tożsamość
why = { $service } prosi o potwierdzenie przed wykonaniem czynności:
why_bound = Potwierdzasz dokładnie te dane. Jeśli cokolwiek różni się od tego, co zostało wpisane, nie kontynuuj.
code_label = Sześciocyfrowy kod
totp_label = Kod z aplikacji uwierzytelniającej
totp_hint = Otwórz aplikację uwierzytelniającą i wpisz sześć wyświetlonych cyfr.
email_label = Kod z wiadomości e-mail
email_hint = Jeśli mamy zapisany adres e-mail, wysłaliśmy na niego sześciocyfrowy kod. Jest ważny dziesięć minut.
email_send = Wyślij kod e-mailem
email_send_hint = Wyślemy sześciocyfrowy kod na zapisany adres e-mail, jeśli taki mamy.
email_again = Wyślij kolejny kod
email_trouble = Nie udało się wysłać wiadomości e-mail: serwer poczty nie odpowiada. Za chwilę poproś o kolejny kod.
email_trouble_other = Możesz też wybrać inną metodę.
email_late = Jeśli mimo to otrzymasz sześciocyfrowy kod, wpisz go tutaj. Jest ważny dziesięć minut.
email_wait = Kod został wysłany przed chwilą. Odczekaj { $seconds } { $seconds ->
    [one] sekundę
    [few] sekundy
    [many] sekund
   *[other] sekundy
}, zanim poprosisz o kolejny.
sms_label = Kod z wiadomości SMS
sms_hint = Jeśli mamy zapisany numer telefonu, wysłaliśmy na niego SMS z sześciocyfrowym kodem. Jest ważny dziesięć minut.
sms_send = Wyślij kod SMS-em
sms_send_hint = Wyślemy sześciocyfrowy kod na zapisany numer telefonu, jeśli taki mamy.
sms_again = Wyślij kolejny SMS
voice_label = Kod z rozmowy telefonicznej
voice_hint = Jeśli mamy zapisany numer telefonu, zadzwonimy na niego, a lektor poda sześć cyfr. Są ważne dziesięć minut.
voice_send = Podaj kod przez telefon
voice_send_hint = Zadzwonimy na zapisany numer telefonu, jeśli taki mamy, i podamy sześć cyfr.
voice_again = Zadzwoń ponownie
captcha_hint = Pokaż, że nie jesteś robotem, a następnie potwierdź.
captcha_other = Pokaż inny test
captcha_trouble = W tej chwili nie można wyświetlić testu przeciw robotom.
captcha_unheard = Nie udało się sprawdzić testu. Oto kolejny.
recovery_label = Kod odzyskiwania
recovery_hint = Wpisz jeden z zachowanych kodów odzyskiwania. Każdy działa tylko raz.
pow_title = Sprawdzanie przeglądarki
pow_hint = Twoja przeglądarka rozwiązuje małe zadanie. Potrwa to kilka sekund i nie wymaga żadnych działań.
pow_no_script = To sprawdzenie wymaga JavaScriptu. Włącz go i odśwież stronę albo wybierz inną metodę.
pow_start = Rozpocznij sprawdzanie
confirm = Potwierdź
other_ways = Inna metoda
way_totp = Aplikacja uwierzytelniająca
way_email_code = Kod e-mailem
way_sms_code = Kod SMS-em
way_voice_code = Kod przez telefon
way_captcha = Test przeciw robotom
way_recovery_code = Kod odzyskiwania
way_pow = Sprawdzenie przeglądarki
wrong = Nie udało się. Sprawdź wpisane dane i spróbuj ponownie.
locked_method = Zbyt wiele błędnych odpowiedzi. Ta metoda będzie zablokowana jeszcze przez { $minutes } { $minutes ->
    [one] minutę
    [few] minuty
    [many] minut
   *[other] minuty
}. Możesz użyć innej metody.

# Afterwards
title_confirmed = Potwierdzono
confirmed_go_on = Dziękujemy. Naciśnij przycisk, aby kontynuować przerwaną czynność.
confirmed_close = Dziękujemy. Możesz kontynuować przerwaną czynność.
confirmed_again = Dziękujemy. Nie udało się zachować wysłanych danych. Wróć i wyślij je jeszcze raz; nie poprosimy o ponowne potwierdzenie.
already_confirmed = Ten krok został już potwierdzony.
continue_to = Przejdź do { $service }
title_gone = Ten krok już się zakończył
gone = Wygasł albo został zakończony w innym miejscu. Nic nie zostało wysłane. Zacznij od nowa.

# Refusing
title_refused = W tej chwili nie jest to możliwe
title_locked = Tymczasowo zablokowane
title_busy = Zbyt wiele żądań
title_unavailable = Spróbuj ponownie za chwilę
refused = Twoje żądanie nie zostało wykonane. Jeśli potrzebujesz pomocy, podaj poniższy numer referencyjny.
refused_locked = Było zbyt wiele nieudanych prób. Spróbuj ponownie później.
refused_rate = To było zbyt szybko. Odczekaj chwilę i spróbuj ponownie.
refused_unavailable = W tej chwili nie możemy sprawdzić Twojego żądania. Nie zostało wykonane.
refused_cross_site = Żądanie pochodziło z innej witryny i nie zostało wykonane. Zacznij od nowa bezpośrednio w { $service }.
refused_malformed = Żądanie jest nieczytelne i nie zostało wykonane.
refused_resume = Te dane zostały już wysłane, wygasły albo należą do kogoś innego. Nie zostały wysłane ponownie.
refused_elsewhere = Dane do wysłania są bezpiecznie przechowane, ale ten serwer nie może połączyć się z miejscem, w którym się znajdują. Nie zostały wysłane i nie zostały utracone. Spróbuj ponownie za chwilę.
refused_insecure = Wymagane jest bezpieczne połączenie (https).
retry_in = Możesz spróbować ponownie za około { $minutes } { $minutes ->
    [one] minutę
    [few] minuty
    [many] minut
   *[other] minuty
}.

# What shipped policies tell
tell_agent_not_a_machine = Dostęp tylko dla zarejestrowanych programów.
tell_agent_stale_token = Token dostępu jest zbyt stary. Pobierz nowy i spróbuj ponownie.
tell_contact_refused = Twoje dane kontaktowe nie zostały zmienione. Jeśli to Twoje żądanie, zadzwoń do nas.
tell_login_refused = Stąd nie można się zalogować.
tell_login_unusual = To logowanie różni się od Twoich zwykłych logowań.
tell_reset_refused = Stąd nie można zresetować hasła.
tell_signup_refused = Stąd nie można otworzyć konta.
tell_signup_robot = Pokaż, że nie jesteś robotem.
tell_transfer_refused = Ten przelew nie został wykonany. Prosimy o telefon.

# Setting up
title_methods = Metody potwierdzania tożsamości
methods_none = Nic jeszcze nie zostało skonfigurowane.
methods_list = Skonfigurowane metody
method_totp = Aplikacja uwierzytelniająca, dodana { $date }
method_recovery = Kody odzyskiwania (pozostało: { $left })
method_recovery_title = Kody odzyskiwania
add_totp = Dodaj aplikację uwierzytelniającą
new_recovery = Utwórz nowe kody odzyskiwania
remove = Usuń
remove_totp = Usuń aplikację uwierzytelniającą dodaną { $date }
title_add_totp = Dodaj aplikację uwierzytelniającą
scan = Zeskanuj ten obraz aplikacją uwierzytelniającą.
scan_alt = Kod QR z kluczem konfiguracyjnym podanym poniżej
scan_key = Albo wpisz ten klucz w aplikacji:
scan_code = Następnie wpisz sześć cyfr wyświetlonych przez aplikację
save = Zapisz
event_change_how_you_confirm = Zmiana metod potwierdzania tożsamości
cancel = Anuluj
title_recovery = Twoje kody odzyskiwania
recovery_once = Przechowuj te kody w bezpiecznym miejscu. Są pokazywane tylko teraz. Każdy działa raz, gdy nie masz pod ręką aplikacji.
recovery_kept = Kody są już zapisane
enrol_refused = Nie można tego teraz skonfigurować. Zaloguj się ponownie na urządzeniu, którego już używasz, albo użyj skonfigurowanej wcześniej metody.
enrol_sign_in = Najpierw się zaloguj.
title_invited = Skonfiguruj metodę potwierdzania tożsamości
date = { $day }.{ $month }.{ $year }
number = 1 234 567,89

# Mail
mail_code_subject = Twój kod do { $service }
mail_code_intro = Ktoś, mamy nadzieję, że Ty, potwierdza w { $service } tę czynność:
mail_code_label = Twój kod:
mail_code_end = Kod jest ważny dziesięć minut i działa tylko raz. Nigdy nie podawaj go osobie, która do Ciebie dzwoni. Jeśli to nie Ty, nie musisz nic robić; rozważ zmianę hasła.
mail_address_subject = Twój adres e-mail w { $service } został zmieniony
mail_address_body = Do Twojego konta w { $service } dodano nowy adres e-mail. Kody będą na niego wysyłane dopiero po 24 godzinach. Jeśli to nie Ty, natychmiast skontaktuj się z { $service }.
sms_message = { $code } to Twój kod do { $service }. Nigdy nie podawaj go osobie, która do Ciebie dzwoni.
voice_message = Dzwoni { $service }. Twój kod to: { $code }. Powtarzam: { $code }. Nigdy nie podawaj go osobie, która do Ciebie dzwoni.
mail_phone_subject = Numer telefonu Twojego konta w { $service } został zmieniony
mail_phone_body = Do Twojego konta w { $service } dodano nowy numer telefonu. Kody będą na niego wysyłane dopiero po 24 godzinach. Jeśli to nie Ty, natychmiast skontaktuj się z { $service }.
mail_methods_subject = Metody potwierdzania tożsamości w { $service } zostały zmienione
mail_methods_added = Na Twoim koncie w { $service } skonfigurowano metodę: { $method }.
mail_methods_removed = Z Twojego konta w { $service } usunięto metodę: { $method }.
mail_methods_renewed = Dla Twojego konta w { $service } utworzono nowe kody odzyskiwania. Poprzednie są już nieważne.
mail_methods_reset = W { $service } usunięto wszystkie metody potwierdzania tożsamości skonfigurowane na Twoim koncie i wszędzie Cię wylogowano.
mail_notice_subject = Aktywność na Twoim koncie w { $service }
mail_notice_intro = Na Twoim koncie w { $service } miało miejsce zdarzenie:
mail_notice_passed_on = Żądanie zostało przekazane i mogło zostać wykonane.
mail_notice_asked = Przed wykonaniem poproszono o potwierdzenie.
mail_notice_refused = Żądanie nie zostało wykonane.
mail_notice_end = Jeśli to Ty, nie musisz nic robić. Jeśli nie, natychmiast skontaktuj się z { $service }.

# What is confirmed
event_admin_area = Administracja
event_change_contact_data = Zmiana danych kontaktowych
event_login = Logowanie
event_logout = Wylogowanie
event_password_reset = Nowe hasło
event_sign_up = Otwarcie konta
event_transfer_money = Przelew
fact_amount = Kwota
fact_email = Adres e-mail
fact_payee = Odbiorca
way_passkey = Klucz dostępu
passkey_use = Użyj klucza dostępu
passkey_hint = Potwierdź odciskiem palca, twarzą albo blokadą urządzenia.
passkey_none = Ta przeglądarka nie obsługuje kluczy dostępu. Wybierz inną metodę albo otwórz tę stronę w innej przeglądarce.
passkey_no_script = Klucze dostępu wymagają JavaScriptu. Włącz go i odśwież stronę albo wybierz inną metodę.
passkey_stopped = Nie użyto żadnego klucza dostępu. Możesz spróbować ponownie albo wybrać inną metodę.
passkey_there = Na tym urządzeniu jest już klucz dostępu do Twojego konta.
passkey_wrong = Nie udało się. Spróbuj ponownie albo wybierz inną metodę.
passkey_failed = Nie udało się skonfigurować klucza dostępu. Spróbuj ponownie.
passkey_about = Klucz dostępu potwierdza Twoją tożsamość za pomocą odcisku palca, twarzy albo blokady urządzenia. Nie można go odgadnąć i działa tylko w tej witrynie.
passkey_label = Nazwa (opcjonalnie)
passkey_label_hint = Ułatwi rozpoznanie klucza na liście, na przykład „mój telefon”.
passkey_make = Utwórz klucz dostępu
add_passkey = Dodaj klucz dostępu
method_passkey = Klucz dostępu, dodany { $date }
method_passkey_named = Klucz dostępu „{ $label }”, dodany { $date }
remove_passkey = Usuń klucz dostępu dodany { $date }
remove_passkey_named = Usuń klucz dostępu „{ $label }” dodany { $date }
event_app = Twoje żądanie

# Signing in at the customer's own identity provider
way_oidc = Zaloguj się ponownie
oidc_hint = Przejdziesz na swoją zwykłą stronę logowania, a potem wrócisz tutaj.
oidc_go = Zaloguj się ponownie
oidc_abandoned = Logowanie nie zostało ukończone. Nic nie zostało potwierdzone. Możesz spróbować ponownie albo wybrać inną metodę.
oidc_unreachable = Strona logowania w tej chwili nie odpowiada. Spróbuj ponownie za chwilę.
oidc_unconfirmed = Nie udało się potwierdzić logowania. Spróbuj ponownie albo wybierz inną metodę.
oidc_weak = To logowanie nie było wystarczająco silne. Zaloguj się ponownie, używając drugiego składnika lub klucza dostępu.
oidc_old = Ostatnie logowanie było zbyt dawno. Zaloguj się ponownie.
oidc_stale = To logowanie zostało już użyte albo trwało zbyt długo. Zaloguj się ponownie.
oidc_often = Strona logowania była otwierana bardzo często. Odczekaj kilka minut albo wybierz inną metodę.
oidc_somebody_else = Zalogował się tam ktoś inny. Zaloguj się jako ta sama osoba co tutaj.
way_id_document = Dokument tożsamości
way_push = Prośba na telefonie
id_document_hint = Przygotuj swój dokument tożsamości. Przeprowadzimy Cię przez sprawdzenie, a potem wrócisz tutaj.
id_document_go = Sprawdź mój dokument tożsamości
id_document_pending = Twój dokument tożsamości jest sprawdzany.
push_hint = Do aplikacji na Twoim telefonie zostanie wysłana prośba. Zatwierdź ją tylko wtedy, gdy pochodzi od Ciebie.
push_go = Wyślij prośbę
push_pending = Do aplikacji na Twoim telefonie została wysłana prośba, jeśli aplikacja jest tam skonfigurowana. Nic nie przyszło? Wybierz inną metodę.
push_number = Porównaj tę liczbę z liczbą na telefonie albo wybierz ją tam:
verify_review = Twoje dokumenty sprawdza pracownik. Może to trochę potrwać. Możesz zamknąć tę stronę i wrócić później.
verify_updates = Ta strona aktualizuje się sama.
verify_look = Sprawdź teraz
verify_back = Kontynuuj sprawdzanie
confirmed_late = Dziękujemy, potwierdzono. Wysłane dane nie są już tu przechowywane. Jeśli czynność nie została wykonana, wróć i wyślij je jeszcze raz; nie poprosimy o ponowne potwierdzenie.
verify_refused = Nastąpiła odmowa, więc nic nie zostało potwierdzone.
verify_over = Trwało to zbyt długo albo zostało przerwane. Nic nie zostało potwierdzone; możesz spróbować ponownie.
verify_often = Było bardzo wiele prób. Odczekaj jakiś czas albo wybierz inną metodę.
verify_unreachable = W tej chwili nie jest to możliwe.

# Approval by a colleague: who asks, and who answers
way_approval = Zatwierdzenie przez współpracownika
approval_hint = Osoba, która może to zatwierdzić, zostanie poproszona o sprawdzenie. Bez zatwierdzenia nic się nie stanie.
approval_go = Poproś o zatwierdzenie
approval_pending = Powiadomiono osoby, które mogą to zatwierdzić. Możesz zamknąć tę stronę i wrócić później.
approval_withdraw = Wycofaj prośbę
title_approvals = Zatwierdzenia
title_approval = Czy to zatwierdzasz?
approvals_none = Nic nie czeka na Twoje zatwierdzenie.
approvals_wait = Na Twoje zatwierdzenie czeka:
approval_who = Kto prosi
approval_what = Czego dotyczy
approval_times = Data prośby: { $asked }, czeka do { $until }.
approval_exact = Zatwierdzasz dokładnie to i nic innego. Jeśli nie wiesz, dlaczego o to proszą, odmów.
approval_approve = Zatwierdź kluczem dostępu
approval_refuse = Odmów
approval_needs_passkey = Aby to zatwierdzić, potrzebujesz klucza dostępu. Możesz go dodać tutaj:
approval_approved = To zostało zatwierdzone.
approval_refused = Odmówiono.
approval_withdrawn = To zostało wycofane. Nie ma już czego zatwierdzać.
approval_expired = To wygasło. Nie ma już czego zatwierdzać.
mail_approval_subject = Prośba o Twoje zatwierdzenie w { $service }
mail_approval_intro = Ktoś prosi o Twoje zatwierdzenie w { $service }:
mail_approval_end = Zaloguj się i sprawdź to tutaj. Jeśli nie wiesz, dlaczego o to proszą, odmów.
