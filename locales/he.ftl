error_prefix = שגיאה
reference = מספר סימוכין
back_to_service = המשך אל { $service }

# Asking
title_confirm = אימות זהות
why = נדרש אישור עבור { $service } לפני המשך הפעולה:
why_bound = האישור ניתן בדיוק לפרטים אלה. אם משהו שונה ממה שהוזן, אין להמשיך.
code_label = קוד בן שש ספרות
totp_label = הקוד מאפליקציית האימות
totp_hint = יש לפתוח את אפליקציית האימות ולהזין את שש הספרות המוצגות בה.
email_label = הקוד מהודעת הדוא״ל
email_hint = אם רשומה אצלנו כתובת דוא״ל, נשלח אליה קוד בן שש ספרות. הקוד תקף לעשר דקות.
email_send = שליחת קוד בדוא״ל
email_send_hint = קוד בן שש ספרות יישלח לכתובת הדוא״ל הרשומה, אם קיימת.
email_again = שליחת קוד נוסף
email_trouble = לא ניתן היה לשלוח את הודעת הדוא״ל: שרת הדואר אינו משיב. יש לבקש קוד נוסף בעוד רגע.
email_trouble_other = אפשר גם לבחור בדרך אחרת.
email_late = אם בכל זאת יתקבל קוד בן שש ספרות, יש להזין אותו כאן. הקוד תקף לעשר דקות.
email_wait = קוד נשלח לפני רגע. לפני בקשת קוד נוסף יש להמתין { $seconds ->
    [one] שנייה אחת
    [two] שתי שניות
    [many] { $seconds } שניות
   *[other] { $seconds } שניות
}.
sms_label = הקוד מהודעת ה־SMS
sms_hint = אם רשום אצלנו מספר טלפון, נשלחה אליו הודעת SMS עם קוד בן שש ספרות. הקוד תקף לעשר דקות.
sms_send = שליחת קוד ב־SMS
sms_send_hint = קוד בן שש ספרות יישלח למספר הטלפון הרשום, אם קיים.
sms_again = שליחת SMS נוסף
voice_label = הקוד משיחת הטלפון
voice_hint = אם רשום אצלנו מספר טלפון, תתקבל בו שיחה וקול יקריא שש ספרות. הן תקפות לעשר דקות.
voice_send = קבלת קוד בשיחת טלפון
voice_send_hint = נתקשר למספר הטלפון הרשום, אם קיים, ויוקראו שש ספרות.
voice_again = להתקשר שוב
captcha_hint = יש להראות שאין מדובר ברובוט ולאחר מכן לאשר.
captcha_other = הצגת מבחן אחר
captcha_trouble = לא ניתן להציג כרגע את המבחן נגד רובוטים.
captcha_unheard = לא ניתן היה לבדוק את המבחן. הנה מבחן אחר.
recovery_label = קוד שחזור
recovery_hint = יש להזין אחד מקודי השחזור ששמורים ברשותך. כל קוד פועל פעם אחת.
pow_title = בדיקת הדפדפן
pow_hint = הדפדפן פותר חידה קטנה. הדבר אורך כמה שניות ואין צורך לעשות דבר.
pow_no_script = לבדיקה זו דרוש JavaScript. יש להפעיל אותו ולטעון מחדש את הדף, או לבחור בדרך אחרת.
pow_start = התחלת הבדיקה
confirm = אישור
other_ways = דרך אחרת
way_totp = אפליקציית אימות
way_email_code = קוד בדוא״ל
way_sms_code = קוד ב־SMS
way_voice_code = קוד בשיחת טלפון
way_captcha = מבחן נגד רובוטים
way_recovery_code = קוד שחזור
way_pow = בדיקת דפדפן
wrong = הפעולה לא הצליחה. יש לבדוק את מה שהוזן ולנסות שוב.
locked_method = יותר מדי תשובות שגויות. דרך זו תהיה חסומה עוד { $minutes ->
    [one] דקה אחת
    [two] שתי דקות
    [many] { $minutes } דקות
   *[other] { $minutes } דקות
}. אפשר להשתמש בדרך אחרת.

# Afterwards
title_confirmed = אושר
confirmed_go_on = תודה. יש ללחוץ על הכפתור כדי להמשיך מאותו המקום.
confirmed_close = תודה. אפשר להמשיך מאותו המקום.
confirmed_again = תודה. לא ניתן היה לשמור את מה שנשלח. יש לחזור ולשלוח שוב; לא נבקש אישור נוסף.
already_confirmed = שלב זה כבר אושר.
continue_to = המשך אל { $service }
title_gone = שלב זה הסתיים
gone = תוקפו פג או שהוא הושלם במקום אחר. דבר לא נשלח. יש להתחיל מחדש.

# Refusing
title_refused = לא ניתן לבצע זאת כעת
title_locked = חסום זמנית
title_busy = יותר מדי בקשות
title_unavailable = יש לנסות שוב בעוד רגע
refused = הבקשה לא בוצעה. לקבלת עזרה יש לציין את מספר הסימוכין שלהלן.
refused_locked = היו יותר מדי ניסיונות כושלים. יש לנסות שוב מאוחר יותר.
refused_rate = זה היה מהיר מדי. יש להמתין מעט ולנסות שוב.
refused_unavailable = לא ניתן לבדוק את הבקשה ברגע זה. היא לא בוצעה.
refused_cross_site = הבקשה הגיעה מאתר אחר ולא בוצעה. יש להתחיל מחדש ישירות ב־{ $service }.
refused_malformed = לא ניתן לקרוא את הבקשה והיא לא בוצעה.
refused_resume = מה שעמד להישלח כבר נשלח, פג תוקפו או שייך למישהו אחר. הוא לא נשלח שוב.
refused_elsewhere = מה שעמד להישלח שמור בבטחה, אך שרת זה אינו מצליח להגיע למקום שבו הוא ממתין. הוא לא נשלח ולא אבד. יש לנסות שוב בעוד רגע.
refused_insecure = לכך דרוש חיבור מאובטח (https).
retry_in = אפשר לנסות שוב בעוד { $minutes ->
    [one] דקה אחת
    [two] שתי דקות
    [many] { $minutes } דקות
   *[other] { $minutes } דקות
} בערך.

# What shipped policies tell
tell_agent_not_a_machine = הגישה מיועדת לתוכנות רשומות בלבד.
tell_agent_stale_token = אסימון הגישה ישן מדי. יש להשיג אסימון חדש ולנסות שוב.
tell_contact_refused = פרטי הקשר לא שונו. אם הבקשה הייתה שלך, נא להתקשר אלינו.
tell_login_refused = לא ניתן להתחבר מכאן.
tell_login_unusual = התחברות זו שונה מהרגיל.
tell_reset_refused = לא ניתן לאפס את הסיסמה מכאן.
tell_signup_refused = לא ניתן לפתוח חשבון מכאן.
tell_signup_robot = נא להראות שאין מדובר ברובוט.
tell_transfer_refused = ההעברה לא בוצעה. נא להתקשר אלינו.

# Setting up
title_methods = דרכים לאימות הזהות
methods_none = עדיין לא הוגדר דבר.
methods_list = דרכים שהוגדרו
method_totp = אפליקציית אימות, נוספה בתאריך { $date }
method_recovery = קודי שחזור, נותרו: { $left }
method_recovery_title = קודי שחזור
add_totp = הוספת אפליקציית אימות
new_recovery = יצירת קודי שחזור חדשים
remove = הסרה
remove_totp = הסרה: אפליקציית האימות שנוספה בתאריך { $date }
title_add_totp = הוספת אפליקציית אימות
scan = יש לסרוק את התמונה באפליקציית האימות.
scan_alt = קוד QR עם מפתח ההגדרה הכתוב למטה
scan_key = או להזין את המפתח הזה באפליקציה:
scan_code = לאחר מכן יש להזין את שש הספרות שהאפליקציה מציגה
save = שמירה
event_change_how_you_confirm = שינוי דרכי אימות הזהות
cancel = ביטול
title_recovery = קודי השחזור שלך
recovery_once = יש לשמור את הקודים במקום בטוח. הם מוצגים רק כעת. כל קוד פועל פעם אחת, כשהאפליקציה אינה בהישג יד.
recovery_kept = הקודים נשמרו
enrol_refused = לא ניתן להגדיר זאת כעת. יש להתחבר שוב במכשיר שכבר היה בשימוש, או להשתמש בדרך שכבר הוגדרה.
enrol_sign_in = יש להתחבר תחילה.
title_invited = הגדרת דרך לאימות הזהות
date = { $day }.{ $month }.{ $year }
number = 1,234,567.89

# Mail
mail_code_subject = הקוד שלך עבור { $service }
mail_code_intro = מישהו, אנו מקווים שמדובר בך, מאשר ב־{ $service } את הפעולה הבאה:
mail_code_label = הקוד שלך:
mail_code_end = הקוד תקף לעשר דקות ופועל פעם אחת. אין למסור אותו לעולם למי שמתקשר אליך. אם לא ביקשת זאת, אין צורך לעשות דבר; כדאי לשקול החלפת סיסמה.
mail_address_subject = כתובת הדוא״ל שלך ב־{ $service } שונתה
mail_address_body = כתובת דוא״ל חדשה נוספה לחשבון שלך ב־{ $service }. קודים יישלחו אליה רק לאחר 24 שעות. אם לא ביקשת זאת, יש לפנות מיד אל { $service }.
sms_message = { $code } הוא הקוד שלך עבור { $service }. אין למסור אותו לעולם למי שמתקשר אליך.
voice_message = שיחה זו היא מאת { $service }. הקוד שלך הוא: { $code }. שוב: { $code }. אין למסור אותו לעולם למי שמתקשר אליך.
mail_phone_subject = מספר הטלפון של החשבון שלך ב־{ $service } שונה
mail_phone_body = מספר טלפון חדש נוסף לחשבון שלך ב־{ $service }. קודים יישלחו אליו רק לאחר 24 שעות. אם לא ביקשת זאת, יש לפנות מיד אל { $service }.
mail_methods_subject = דרכי אימות הזהות שלך ב־{ $service } שונו
mail_methods_added = דרך זו הוגדרה לחשבון שלך ב־{ $service }: { $method }.
mail_methods_removed = דרך זו הוסרה מהחשבון שלך ב־{ $service }: { $method }.
mail_methods_renewed = נוצרו קודי שחזור חדשים לחשבון שלך ב־{ $service }. הקודים הישנים אינם תקפים עוד.
mail_methods_reset = כל דרכי אימות הזהות שהוגדרו לחשבון שלך הוסרו על ידי { $service }, ונותקת מהחשבון בכל המכשירים.
mail_notice_subject = פעילות בחשבון שלך ב־{ $service }
mail_notice_intro = הפעולה הבאה התרחשה בחשבון שלך ב־{ $service }:
mail_notice_passed_on = הבקשה הועברה וייתכן שבוצעה.
mail_notice_asked = התבקש אישור לפני המשך הפעולה.
mail_notice_refused = הבקשה לא בוצעה.
mail_notice_end = אם ביקשת זאת, אין צורך לעשות דבר. אם לא, יש לפנות מיד אל { $service }.

# What is confirmed
event_admin_area = ניהול
event_change_contact_data = שינוי פרטי קשר
event_login = התחברות
event_logout = התנתקות
event_password_reset = סיסמה חדשה
event_sign_up = חשבון חדש
event_transfer_money = העברת כספים
fact_amount = סכום
fact_email = כתובת דוא״ל
fact_payee = מוטב
way_passkey = מפתח גישה
passkey_use = שימוש במפתח הגישה
passkey_hint = יש לאשר באמצעות טביעת האצבע, הפנים או נעילת המכשיר.
passkey_none = דפדפן זה אינו תומך במפתחות גישה. יש לבחור בדרך אחרת או לפתוח את הדף בדפדפן אחר.
passkey_no_script = למפתחות גישה דרוש JavaScript. יש להפעיל אותו ולטעון מחדש את הדף, או לבחור בדרך אחרת.
passkey_stopped = לא נעשה שימוש במפתח גישה. אפשר לנסות שוב או לבחור בדרך אחרת.
passkey_there = במכשיר זה כבר יש מפתח גישה לחשבון שלך.
passkey_wrong = הפעולה לא הצליחה. יש לנסות שוב או לבחור בדרך אחרת.
passkey_failed = לא ניתן היה להגדיר את מפתח הגישה. יש לנסות שוב.
passkey_about = מפתח גישה מאמת את זהותך באמצעות טביעת האצבע, הפנים או נעילת המכשיר. לא ניתן לנחש אותו, והוא פועל באתר זה בלבד.
passkey_label = שם (לא חובה)
passkey_label_hint = כדי לזהות אותו ברשימה, למשל ”הטלפון שלי”.
passkey_make = יצירת מפתח גישה
add_passkey = הוספת מפתח גישה
method_passkey = מפתח גישה, נוסף בתאריך { $date }
method_passkey_named = מפתח גישה ”{ $label }”, נוסף בתאריך { $date }
remove_passkey = הסרה: מפתח הגישה שנוסף בתאריך { $date }
remove_passkey_named = הסרה: מפתח הגישה ”{ $label }” שנוסף בתאריך { $date }
event_app = הבקשה שלך

# Signing in at the customer's own identity provider
way_oidc = התחברות מחדש
oidc_hint = ייפתח דף ההתחברות הרגיל שלך, ולאחר מכן תהיה חזרה לכאן.
oidc_go = התחברות מחדש
oidc_abandoned = ההתחברות לא הושלמה. דבר לא אושר. אפשר לנסות שוב או לבחור בדרך אחרת.
oidc_unreachable = דף ההתחברות אינו משיב כרגע. יש לנסות שוב בעוד רגע.
oidc_unconfirmed = לא ניתן היה לאמת את ההתחברות. יש לנסות שוב או לבחור בדרך אחרת.
oidc_weak = ההתחברות לא הייתה חזקה מספיק לפעולה זו. יש להתחבר שוב עם גורם האימות השני או עם מפתח הגישה.
oidc_old = ההתחברות האחרונה הייתה לפני זמן רב מדי. יש להתחבר שוב.
oidc_stale = נעשה כבר שימוש בהתחברות זו או שהיא ארכה זמן רב מדי. יש להתחבר שוב.
oidc_often = דף ההתחברות נפתח פעמים רבות מאוד. יש להמתין כמה דקות או לבחור בדרך אחרת.
oidc_somebody_else = מישהו אחר התחבר שם. יש להתחבר באותה זהות כמו כאן.
way_id_document = מסמך מזהה
way_push = בקשה בטלפון שלך
id_document_hint = יש להכין את המסמך המזהה. הבדיקה תיעשה שלב אחר שלב, ולאחריה יוצג שוב דף זה.
id_document_go = בדיקת המסמך המזהה שלי
id_document_pending = המסמך המזהה שלך בבדיקה.
push_hint = בקשה נשלחת לאפליקציה בטלפון שלך. יש לאשר אותה רק אם הבקשה כאן הייתה שלך.
push_go = שליחת הבקשה
push_pending = נשלחה בקשה לאפליקציה בטלפון שלך, אם היא מוגדרת בו. לא הגיע דבר? יש לבחור בדרך אחרת.
push_number = יש להשוות את המספר הזה למספר שבטלפון, או לבחור אותו שם:
verify_review = המסמכים שלך נבדקים בידי אדם. הדבר עשוי לקחת זמן מה. אפשר לסגור את הדף ולחזור אליו מאוחר יותר.
verify_updates = דף זה מתעדכן מעצמו.
verify_look = בדיקה עכשיו
verify_back = המשך הבדיקה
confirmed_late = תודה, הפעולה אושרה. מה שנשלח כבר אינו שמור כאן. אם הוא לא בוצע, יש לחזור ולשלוח שוב; לא נבקש אישור נוסף.
verify_refused = הבקשה נדחתה, ולכן דבר לא אושר.
verify_over = הפעולה ארכה זמן רב מדי או הופסקה. דבר לא אושר; אפשר לנסות שוב.
verify_often = היו ניסיונות רבים מאוד. יש להמתין זמן מה או לבחור בדרך אחרת.
verify_unreachable = לא ניתן לבצע זאת כרגע.

# Approval by a colleague: who asks, and who answers
way_approval = אישור של עמית
approval_hint = מי שרשאי לאשר מתבקש לעיין בזה. בלי אישור זה לא ימשיך.
approval_go = לבקש אישור
approval_pending = מי שרשאים לאשר קיבלו הודעה. אפשר לסגור את הדף ולחזור מאוחר יותר.
approval_withdraw = לבטל את הבקשה
title_approvals = אישורים
title_approval = האם זה מאושר?
approvals_none = שום דבר אינו ממתין לאישורך.
approvals_wait = ממתין לאישורך:
approval_who = מי מבקש
approval_what = עבור מה
approval_times = התבקש ב־{ $asked }, ממתין עד { $until }.
approval_exact = האישור חל בדיוק על זה ועל שום דבר אחר. אם לא ברור לך מדוע התבקשת, יש לסרב.
approval_approve = לאשר במפתח הגישה שלך
approval_refuse = לסרב
approval_needs_passkey = כדי לאשר נחוץ מפתח גישה. אפשר להוסיף אחד כאן:
approval_approved = זה אושר.
approval_refused = זה נדחה.
approval_withdrawn = זה בוטל. אין עוד מה לאשר.
approval_expired = פג תוקפו. אין עוד מה לאשר.
mail_approval_subject = אישורך מתבקש ב־{ $service }
mail_approval_intro = מישהו מבקש את אישורך ב־{ $service }:
mail_approval_end = יש להיכנס ולעיין בזה כאן. אם לא ברור לך מדוע התבקשת, יש לסרב.
