# What people read on Stepward's pages and in its mail. Every key exists in every language; a test checks it.
# A policy's `tell: transfer.refused` is the key `tell_transfer_refused`; an event may be named by `event_transfer_money`.

error_prefix = Error
reference = Reference
back_to_service = Go on to { $service }

# Asking
title_confirm = Confirm it is you
why = { $service } asks for a confirmation before it goes on with:
why_bound = You are confirming exactly this. If any of it is not what you entered, do not go on.
code_label = Six-digit code
totp_label = Code from your authenticator app
totp_hint = Open your authenticator app and type the six digits that it shows.
email_label = Code from the e-mail
email_hint = If an e-mail address is on file, a six-digit code is on its way. It is good for ten minutes.
email_send = E-mail me a code
email_send_hint = A six-digit code will be sent to the e-mail address on file, if there is one.
email_again = Send another code
email_trouble = The e-mail could not be sent: the mail server does not answer. Please ask for another code in a moment.
email_trouble_other = You can also choose another way.
email_late = If a six-digit code reaches you all the same, type it here. It is good for ten minutes.
email_wait = A code was sent a moment ago. Please wait { $seconds } { $seconds ->
    [one] second
   *[other] seconds
} before asking for another.
sms_label = Code from the text message
sms_hint = If a telephone number is on file, a text with a six-digit code is on its way. It is good for ten minutes.
sms_send = Text me a code
sms_send_hint = A six-digit code will be sent to the telephone number on file, if there is one.
sms_again = Send another text
voice_label = Code from the call
voice_hint = If a telephone number is on file, it will ring and a voice will say six digits. They are good for ten minutes.
voice_send = Call me with a code
voice_send_hint = The telephone number on file will be called, if there is one, and six digits will be said.
voice_again = Call again
captcha_hint = Please show that you are not a robot, and then confirm.
captcha_other = Show another test
captcha_trouble = The test against robots cannot be shown at the moment.
captcha_unheard = The test could not be checked. Here is another one.
recovery_label = Recovery code
recovery_hint = Type one of the recovery codes you kept. Each works once.
pow_title = Checking your browser
pow_hint = Your browser solves a small puzzle. This takes a few seconds and needs nothing from you.
pow_no_script = This check needs JavaScript. Please switch it on and reload this page, or choose another way.
pow_start = Start the check
confirm = Confirm
other_ways = Another way
way_totp = Authenticator app
way_email_code = Code by e-mail
way_sms_code = Code by text message
way_voice_code = Code by telephone call
way_captcha = Test against robots
way_recovery_code = Recovery code
way_pow = Browser check
wrong = That did not work. Check what you typed and try again.
locked_method = Too many wrong answers. This way is closed until { $minutes } { $minutes ->
    [one] minute
   *[other] minutes
} from now. You can use another way.

# Afterwards
title_confirmed = Confirmed
confirmed_go_on = Thank you. Press the button to go on where you were.
confirmed_close = Thank you. You can go on where you were.
confirmed_again = Thank you. What you sent could not be kept. Please go back and send it again; you will not be asked again.
already_confirmed = You have already confirmed this step.
continue_to = Continue to { $service }
title_gone = This step is over
gone = It has expired or was finished elsewhere. Nothing was sent. Please start again.

# Refusing
title_refused = This cannot be done now
title_locked = Locked for now
title_busy = Too many requests
title_unavailable = Please try again shortly
refused = Your request was not carried out. If you need help, name the reference below.
refused_locked = There were too many failed tries. Please try again later.
refused_rate = That was too fast. Please wait a little and try again.
refused_unavailable = We cannot check your request at this moment. It was not carried out.
refused_cross_site = The request came from another site and was not carried out. Please start again on { $service } itself.
refused_malformed = The request cannot be read and was not carried out.
refused_resume = What you were about to send was sent already, has expired or belongs to someone else. It was not sent again.
# What waits lies in the folder of another server of the same service.
refused_elsewhere = What you are about to send is kept safely, but this server cannot reach the place where it waits. It was not sent and is not lost. Please try again in a moment.
refused_insecure = This needs a secure connection (https).
retry_in = You can try again in about { $minutes } { $minutes ->
    [one] minute
   *[other] minutes
}.

# What shipped policies tell
tell_agent_not_a_machine = This is for registered programs only.
tell_agent_stale_token = The access token is too old. Get a new one and try again.
tell_contact_refused = Your contact data was not changed. Please call us if this was you.
tell_login_refused = Signing in is not possible from here.
tell_login_unusual = This sign-in looks different from your usual ones.
tell_reset_refused = The password cannot be reset from here.
tell_signup_refused = An account cannot be opened from here.
tell_signup_robot = Please show that you are not a robot.
tell_transfer_refused = This transfer was not carried out. Please call us.

# Setting up
title_methods = Ways to confirm it is you
methods_none = Nothing is set up yet.
methods_list = Set up
method_totp = Authenticator app, added { $date }
method_recovery = Recovery codes, { $left } left
method_recovery_title = Recovery codes
add_totp = Add an authenticator app
new_recovery = Make new recovery codes
remove = Remove
remove_totp = Remove the authenticator app added { $date }
title_add_totp = Add an authenticator app
scan = Scan this picture with your authenticator app.
scan_alt = QR code with the set-up key that is written below
scan_key = Or type this key into the app:
scan_code = Then type the six digits that the app shows
save = Save
event_change_how_you_confirm = Change how you confirm it is you
cancel = Cancel
title_recovery = Your recovery codes
recovery_once = Keep these codes somewhere safe. They are shown only now. Each works once, when your app is not at hand.
recovery_kept = I have kept them
enrol_refused = This cannot be set up now. Sign in again on a device you have used before, or use a way that is already set up.
enrol_sign_in = Please sign in first.
title_invited = Set up a way to confirm it is you
date = { $year }-{ $month }-{ $day }
# How 1234567.89 is written: amounts are grouped as this is.
number = 1,234,567.89

# Mail
mail_code_subject = Your code for { $service }
mail_code_intro = Someone, hopefully you, is confirming this at { $service }:
mail_code_label = Your code:
mail_code_end = It is good for ten minutes and works once. Never tell it to anyone who calls you. If this was not you, you need not do anything; consider changing your password.
mail_address_subject = Your e-mail address at { $service } was changed
mail_address_body = A new e-mail address was added to your account at { $service }. Codes are sent to it only after 24 hours. If this was not you, please contact { $service } at once.
sms_message = { $code } is your code for { $service }. Never tell it to anyone who calls you.
voice_message = This is a call from { $service }. Your code is: { $code }. Once more: { $code }. Never tell it to anyone who calls you.
mail_phone_subject = The telephone number of your account at { $service } was changed
mail_phone_body = A new telephone number was added to your account at { $service }. Codes are sent to it only after 24 hours. If this was not you, please contact { $service } at once.
mail_methods_subject = How you confirm it is you at { $service } was changed
mail_methods_added = This was set up for your account at { $service }: { $method }.
mail_methods_removed = This was removed from your account at { $service }: { $method }.
mail_methods_renewed = New recovery codes were made for your account at { $service }. The old ones are void.
mail_methods_reset = { $service } removed every way to confirm it is you that was set up for your account, and signed you out everywhere.
mail_notice_subject = Activity in your account at { $service }
mail_notice_intro = This happened in your account at { $service }:
mail_notice_passed_on = It was passed on and can have taken effect.
mail_notice_asked = A confirmation was asked for before it goes on.
mail_notice_refused = It was not carried out.
mail_notice_end = If this was you, you need not do anything. If it was not, please contact { $service } at once.

# What is confirmed: events and facts of the shipped policies; what has no key here is shown by its own name
event_admin_area = Administration
event_change_contact_data = Change of contact data
event_login = Sign-in
event_logout = Signing out
event_password_reset = New password
event_sign_up = New account
event_transfer_money = Transfer of money
fact_amount = Amount
fact_email = E-mail address
fact_payee = Payee

# Passkeys
way_passkey = Passkey
passkey_use = Use your passkey
passkey_hint = Confirm with your fingerprint, your face or the lock of your device.
passkey_none = This browser cannot use passkeys. Please choose another way, or open this page in another browser.
passkey_no_script = Passkeys need JavaScript. Please switch it on and reload this page, or choose another way.
passkey_stopped = No passkey was given. You can try again or choose another way.
passkey_there = This device has a passkey for your account already.
passkey_wrong = That did not work. Please try again, or choose another way.
passkey_failed = The passkey could not be set up. Please try again.
passkey_about = A passkey confirms that it is you by your fingerprint, your face or the lock of your device. It cannot be guessed, and it works on this site only.
passkey_label = Name (optional)
passkey_label_hint = So that you know it again in the list, such as “my phone”.
passkey_make = Make a passkey
add_passkey = Add a passkey
method_passkey = Passkey, added { $date }
method_passkey_named = Passkey “{ $label }”, added { $date }
remove_passkey = Remove the passkey added { $date }
remove_passkey_named = Remove the passkey “{ $label }” added { $date }

# Where the app asks for a proof of a request that is no event of a policy.
event_app = Your request

# Signing in at the customer's own identity provider
way_oidc = Sign in again
oidc_hint = You are taken to your usual sign-in page, and come back here afterwards.
oidc_go = Sign in again
oidc_abandoned = You did not sign in. Nothing was confirmed. You can try again or choose another way.
oidc_unreachable = The sign-in page does not answer at the moment. Please try again shortly.
oidc_unconfirmed = Your sign-in could not be confirmed. Please try again, or choose another way.
oidc_weak = Your sign-in was not strong enough for this. Please sign in again with your second factor or passkey.
oidc_old = Your last sign-in was too long ago. Please sign in again.
oidc_stale = That sign-in was used already or took too long. Please sign in again.
oidc_often = You were sent to the sign-in page very often. Please wait some minutes, or choose another way.
oidc_somebody_else = Somebody else signed in there. Please sign in as the person you are here.

# Identity documents and pushes
way_id_document = Identity document
way_push = Request on your phone
id_document_hint = Have your identity document ready. You are taken through the check and come back here afterwards.
id_document_go = Check my identity document
id_document_pending = Your identity document is being checked.
push_hint = A request is sent to the app on your phone. Approve it only if it was you who asked here.
push_go = Send the request
push_pending = A request was sent to the app on your phone, if it is set up there. Nothing arrived? Choose another way.
push_number = Compare this number with the one on your phone, or choose it there:
verify_review = A person is looking at your documents. This may take a while. You may close this page and come back.
verify_updates = This page updates itself.
verify_look = Look now
verify_back = Go on with the check
confirmed_late = Thank you, this is confirmed. What you sent is no longer kept here. If it was not carried out, go back and send it again; you will not be asked again.
verify_refused = That was refused, so nothing was confirmed.
verify_over = That took too long or was broken off. Nothing was confirmed; you can try again.
verify_often = That was tried very often. Please wait a while, or choose another way.
verify_unreachable = This cannot be done at the moment.

# Approval by a colleague: who asks, and who answers
way_approval = Approval by a colleague
approval_hint = A colleague who may approve this is asked to look at it. Without approval it does not go on.
approval_go = Ask for approval
approval_pending = Colleagues who may approve this were asked. You may close this page and come back.
approval_withdraw = Withdraw the request
title_approvals = Approvals
title_approval = Do you approve this?
approvals_none = Nothing waits for your approval.
approvals_wait = These wait for your approval:
approval_who = Who asks
approval_what = What for
approval_times = Asked { $asked }, waits until { $until }.
approval_exact = You approve exactly this and nothing else. If you do not know why it is asked, refuse.
approval_approve = Approve with your passkey
approval_refuse = Refuse
approval_needs_passkey = To approve this you need a passkey. You can add one here:
approval_approved = This is approved.
approval_refused = This was refused.
approval_withdrawn = This was withdrawn. There is nothing to approve any more.
approval_expired = This has expired. There is nothing to approve any more.
mail_approval_subject = Your approval is asked for at { $service }
mail_approval_intro = Somebody asks for your approval at { $service }:
mail_approval_end = Sign in and look at it here. If you do not know why it is asked, refuse.
