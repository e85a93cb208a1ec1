error_prefix = خطأ
reference = الرقم المرجعي
back_to_service = المتابعة إلى { $service }

# Asking
title_confirm = أكّد أنك أنت
why = يطلب { $service } تأكيدًا قبل المتابعة في:
why_bound = أنت تؤكد هذه البيانات تحديدًا. إذا كان أي منها مخالفًا لما أدخلته فلا تتابع.
code_label = رمز من ستة أرقام
totp_label = الرمز من تطبيق المصادقة
totp_hint = افتح تطبيق المصادقة واكتب الأرقام الستة التي يعرضها.
email_label = الرمز من رسالة البريد الإلكتروني
email_hint = إذا كان لدينا عنوان بريد إلكتروني مسجل، فقد أُرسل إليه رمز من ستة أرقام. الرمز صالح لمدة عشر دقائق.
email_send = أرسل لي رمزًا بالبريد الإلكتروني
email_send_hint = سيُرسل رمز من ستة أرقام إلى عنوان البريد الإلكتروني المسجل، إن وُجد.
email_again = أرسل رمزًا آخر
email_trouble = تعذّر إرسال رسالة البريد الإلكتروني: خادم البريد لا يستجيب. يُرجى طلب رمز آخر بعد قليل.
email_trouble_other = يمكنك أيضًا اختيار طريقة أخرى.
email_late = إذا وصلك رمز من ستة أرقام رغم ذلك، فاكتبه هنا. الرمز صالح لمدة عشر دقائق.
email_wait = أُرسل رمز قبل لحظات. يُرجى الانتظار { $seconds ->
    [zero] لحظة
    [one] ثانية واحدة
    [two] ثانيتين
    [few] { $seconds } ثوانٍ
    [many] { $seconds } ثانية
   *[other] { $seconds } ثانية
} قبل طلب رمز آخر.
sms_label = الرمز الوارد في الرسالة النصية
sms_hint = إذا كان هناك رقم هاتف مسجل، فإن رسالة نصية برمز من ستة أرقام في طريقها إليك. الرمز صالح لعشر دقائق.
sms_send = أرسل لي رمزًا في رسالة نصية
sms_send_hint = سيُرسل رمز من ستة أرقام إلى رقم الهاتف المسجل، إن وُجد.
sms_again = إرسال رسالة نصية أخرى
voice_label = الرمز من المكالمة
voice_hint = إذا كان هناك رقم هاتف مسجل، فسيرن الهاتف ويُقرأ رمز من ستة أرقام. الرمز صالح لعشر دقائق.
voice_send = اتصل بي لإعطائي رمزًا
voice_send_hint = سيُتصل برقم الهاتف المسجل، إن وُجد، ويُقرأ رمز من ستة أرقام.
voice_again = الاتصال مرة أخرى
captcha_hint = يرجى إثبات أنك لست روبوتًا ثم التأكيد.
captcha_other = عرض اختبار آخر
captcha_trouble = لا يمكن عرض اختبار الروبوتات في الوقت الحالي.
captcha_unheard = تعذر التحقق من الاختبار. إليك اختبارًا آخر.
recovery_label = رمز الاسترداد
recovery_hint = اكتب أحد رموز الاسترداد التي احتفظت بها. كل رمز يعمل مرة واحدة.
pow_title = جارٍ فحص متصفحك
pow_hint = يحل متصفحك مسألة صغيرة. يستغرق ذلك بضع ثوانٍ ولا يتطلب منك شيئًا.
pow_no_script = يتطلب هذا الفحص JavaScript. يُرجى تفعيله وإعادة تحميل الصفحة، أو اختيار طريقة أخرى.
pow_start = ابدأ الفحص
confirm = تأكيد
other_ways = طريقة أخرى
way_totp = تطبيق المصادقة
way_email_code = رمز بالبريد الإلكتروني
way_sms_code = رمز برسالة نصية
way_voice_code = رمز بمكالمة هاتفية
way_captcha = اختبار الروبوتات
way_recovery_code = رمز الاسترداد
way_pow = فحص المتصفح
wrong = لم ينجح ذلك. تحقق مما كتبته وحاول مرة أخرى.
locked_method = محاولات خاطئة كثيرة. هذه الطريقة مغلقة لمدة { $minutes ->
    [zero] أقل من دقيقة
    [one] دقيقة واحدة
    [two] دقيقتين
    [few] { $minutes } دقائق
    [many] { $minutes } دقيقة
   *[other] { $minutes } دقيقة
}. يمكنك استخدام طريقة أخرى.

# Afterwards
title_confirmed = تم التأكيد
confirmed_go_on = شكرًا لك. اضغط الزر للمتابعة من حيث كنت.
confirmed_close = شكرًا لك. يمكنك المتابعة من حيث كنت.
confirmed_again = شكرًا لك. لم يمكن الاحتفاظ بما أرسلته. يُرجى الرجوع وإرساله مرة أخرى؛ لن تُسأل مجددًا.
already_confirmed = لقد أكدت هذه الخطوة من قبل.
continue_to = المتابعة إلى { $service }
title_gone = انتهت هذه الخطوة
gone = انتهت صلاحيتها أو أُنجزت في مكان آخر. لم يُرسل شيء. يُرجى البدء من جديد.

# Refusing
title_refused = لا يمكن إتمام ذلك الآن
title_locked = مغلق مؤقتًا
title_busy = طلبات كثيرة جدًا
title_unavailable = يُرجى المحاولة بعد قليل
refused = لم يُنفذ طلبك. إذا احتجت إلى مساعدة فاذكر الرقم المرجعي أدناه.
refused_locked = كانت هناك محاولات فاشلة كثيرة. يُرجى المحاولة لاحقًا.
refused_rate = كان ذلك سريعًا جدًا. يُرجى الانتظار قليلًا ثم المحاولة مرة أخرى.
refused_unavailable = لا يمكننا فحص طلبك في هذه اللحظة. لم يُنفذ الطلب.
refused_cross_site = جاء الطلب من موقع آخر ولم يُنفذ. يُرجى البدء من جديد في { $service } نفسه.
refused_malformed = تعذرت قراءة الطلب ولم يُنفذ.
refused_resume = ما كنت ستُرسله قد أُرسل بالفعل أو انتهت صلاحيته أو يخص شخصًا آخر. لم يُرسل مرة أخرى.
# What waits lies in the folder of another server of the same service.
refused_elsewhere = ما تريد إرساله محفوظ بأمان، لكن هذا الخادم لا يستطيع الوصول إلى مكان حفظه. لم يُرسل ولم يُفقد. يُرجى المحاولة بعد قليل.
refused_insecure = يتطلب هذا اتصالًا آمنًا (https).
retry_in = يمكنك المحاولة مرة أخرى بعد حوالي { $minutes ->
    [zero] أقل من دقيقة
    [one] دقيقة واحدة
    [two] دقيقتين
    [few] { $minutes } دقائق
    [many] { $minutes } دقيقة
   *[other] { $minutes } دقيقة
}.

# What shipped policies tell
tell_agent_not_a_machine = هذا مخصص للبرامج المسجلة فقط.
tell_agent_stale_token = رمز الوصول قديم جدًا. احصل على رمز جديد وحاول مرة أخرى.
tell_contact_refused = لم تتغير بيانات الاتصال الخاصة بك. يُرجى الاتصال بنا إذا كنت أنت من طلب ذلك.
tell_login_refused = لا يمكن تسجيل الدخول من هنا.
tell_login_unusual = يبدو تسجيل الدخول هذا مختلفًا عن المعتاد.
tell_reset_refused = لا يمكن إعادة تعيين كلمة المرور من هنا.
tell_signup_refused = لا يمكن فتح حساب من هنا.
tell_signup_robot = يُرجى إثبات أنك لست روبوتًا.
tell_transfer_refused = لم يُنفذ هذا التحويل. يُرجى الاتصال بنا.

# Setting up
title_methods = طرق تأكيد هويتك
methods_none = لم يُعدّ شيء بعد.
methods_list = الطرق المُعدّة
method_totp = تطبيق مصادقة، أُضيف في { $date }
method_recovery = رموز الاسترداد، المتبقي { $left }
method_recovery_title = رموز الاسترداد
add_totp = إضافة تطبيق مصادقة
new_recovery = إنشاء رموز استرداد جديدة
remove = إزالة
remove_totp = إزالة تطبيق المصادقة المضاف في { $date }
title_add_totp = إضافة تطبيق مصادقة
scan = امسح هذه الصورة بتطبيق المصادقة.
scan_alt = رمز QR يحتوي على مفتاح الإعداد المكتوب أدناه
scan_key = أو اكتب هذا المفتاح في التطبيق:
scan_code = ثم اكتب الأرقام الستة التي يعرضها التطبيق
save = حفظ
event_change_how_you_confirm = تغيير طرق تأكيد هويتك
cancel = إلغاء
title_recovery = رموز الاسترداد الخاصة بك
recovery_once = احتفظ بهذه الرموز في مكان آمن. تُعرض الآن فقط. كل رمز يعمل مرة واحدة عندما لا يكون تطبيقك في متناول يدك.
recovery_kept = لقد احتفظت بها
enrol_refused = لا يمكن إعداد هذا الآن. سجّل الدخول مجددًا على جهاز استخدمته من قبل، أو استخدم طريقة مُعدّة بالفعل.
enrol_sign_in = يُرجى تسجيل الدخول أولًا.
title_invited = أعدّ طريقة لتأكيد هويتك
date = { $day }/{ $month }/{ $year }
number = 1,234,567.89

# Mail
mail_code_subject = رمزك لـ { $service }
mail_code_intro = شخص ما، نأمل أنه أنت، يؤكد ما يلي في { $service }:
mail_code_label = رمزك:
mail_code_end = الرمز صالح لمدة عشر دقائق ويعمل مرة واحدة. لا تخبر به أحدًا يتصل بك. إذا لم تكن أنت فلا يلزمك فعل شيء؛ فكّر في تغيير كلمة المرور.
mail_address_subject = تغيّر عنوان بريدك الإلكتروني في { $service }
mail_address_body = أُضيف عنوان بريد إلكتروني جديد إلى حسابك في { $service }. لا تُرسل الرموز إليه إلا بعد 24 ساعة. إذا لم تكن أنت فيُرجى الاتصال بـ { $service } فورًا.
sms_message = { $code } هو رمزك في { $service }. لا تخبر به أي شخص يتصل بك.
voice_message = هذه مكالمة من { $service }. رمزك هو: { $code }. مرة أخرى: { $code }. لا تخبر به أي شخص يتصل بك.
mail_phone_subject = تغيّر رقم هاتف حسابك في { $service }
mail_phone_body = أضيف رقم هاتف جديد إلى حسابك في { $service }. لن تُرسل إليه الرموز إلا بعد 24 ساعة. إذا لم تفعل ذلك، فاتصل بـ { $service } فورًا.
mail_methods_subject = تم تغيير طرق تأكيد هويتك لدى { $service }
mail_methods_added = تم إعداد هذا لحسابك لدى { $service }: { $method }.
mail_methods_removed = تمت إزالة هذا من حسابك لدى { $service }: { $method }.
mail_methods_renewed = تم إنشاء رموز استرداد جديدة لحسابك لدى { $service }. الرموز القديمة لم تعد صالحة.
mail_methods_reset = أزالت { $service } كل طرق تأكيد الهوية المُعدّة لحسابك وسجّلت خروجك من كل مكان.
mail_notice_subject = نشاط في حسابك لدى { $service }
mail_notice_intro = حدث ما يلي في حسابك لدى { $service }:
mail_notice_passed_on = مُرِّر الطلب وقد يكون نُفِّذ.
mail_notice_asked = طُلب تأكيد قبل المتابعة.
mail_notice_refused = لم يُنفَّذ الطلب.
mail_notice_end = إذا كنت أنت فلا يلزمك فعل شيء. وإن لم تكن أنت فيُرجى الاتصال بـ { $service } فورًا.

# What is confirmed
event_admin_area = منطقة الإدارة
event_change_contact_data = تغيير بيانات الاتصال
event_login = تسجيل الدخول
event_logout = تسجيل الخروج
event_password_reset = كلمة مرور جديدة
event_sign_up = حساب جديد
event_transfer_money = تحويل مالي
fact_amount = المبلغ
fact_email = البريد الإلكتروني
fact_payee = المستفيد

# Passkeys
way_passkey = مفتاح مرور
passkey_use = استخدم مفتاح المرور
passkey_hint = أكّد ببصمة إصبعك أو وجهك أو بقفل جهازك.
passkey_none = لا يستطيع هذا المتصفح استخدام مفاتيح المرور. يُرجى اختيار طريقة أخرى أو فتح هذه الصفحة في متصفح آخر.
passkey_no_script = تحتاج مفاتيح المرور إلى JavaScript. يُرجى تفعيله وإعادة تحميل الصفحة، أو اختيار طريقة أخرى.
passkey_stopped = لم يُستخدم أي مفتاح مرور. يمكنك المحاولة مرة أخرى أو اختيار طريقة أخرى.
passkey_there = يوجد على هذا الجهاز مفتاح مرور لحسابك بالفعل.
passkey_wrong = لم ينجح ذلك. يُرجى المحاولة مرة أخرى أو اختيار طريقة أخرى.
passkey_failed = تعذّر إعداد مفتاح المرور. يُرجى المحاولة مرة أخرى.
passkey_about = يؤكد مفتاح المرور هويتك ببصمة إصبعك أو وجهك أو بقفل جهازك. لا يمكن تخمينه، ولا يعمل إلا على هذا الموقع.
passkey_label = الاسم (اختياري)
passkey_label_hint = لتتعرّف عليه في القائمة، مثل «هاتفي».
passkey_make = أنشئ مفتاح مرور
add_passkey = أضف مفتاح مرور
method_passkey = مفتاح مرور، أُضيف في { $date }
method_passkey_named = مفتاح مرور «{ $label }»، أُضيف في { $date }
remove_passkey = إزالة مفتاح المرور المضاف في { $date }
remove_passkey_named = إزالة مفتاح المرور «{ $label }» المضاف في { $date }

# Where the app asks for a proof of a request that is no event of a policy.
event_app = طلبك

# تسجيل الدخول لدى مزوّد الهوية الخاص بالعميل
way_oidc = تسجيل الدخول من جديد
oidc_hint = ستنتقل إلى صفحة تسجيل الدخول المعتادة ثم تعود إلى هنا.
oidc_go = تسجيل الدخول من جديد
oidc_abandoned = لم تسجّل الدخول، ولم يُؤكَّد شيء. يمكنك المحاولة مرة أخرى أو اختيار طريقة أخرى.
oidc_unreachable = صفحة تسجيل الدخول لا تستجيب الآن. يُرجى المحاولة بعد قليل.
oidc_unconfirmed = تعذّر تأكيد تسجيل دخولك. يُرجى المحاولة مرة أخرى أو اختيار طريقة أخرى.
oidc_weak = لم يكن تسجيل دخولك قويًا بما يكفي لهذا. يُرجى تسجيل الدخول بالعامل الثاني أو بمفتاح المرور.
oidc_old = مضى وقت طويل على آخر تسجيل دخول لك. يُرجى تسجيل الدخول من جديد.
oidc_stale = سبق استخدام تسجيل الدخول هذا أو استغرق وقتًا طويلًا. يُرجى تسجيل الدخول من جديد.
oidc_often = أُرسلتَ إلى صفحة تسجيل الدخول مرات كثيرة. يُرجى الانتظار بضع دقائق أو اختيار طريقة أخرى.
oidc_somebody_else = سجّل شخص آخر الدخول هناك. يُرجى تسجيل الدخول بالشخص نفسه الذي أنت عليه هنا.

# وثائق الهوية والطلبات على الهاتف
way_id_document = وثيقة الهوية
way_push = طلب على هاتفك
id_document_hint = جهّز وثيقة هويتك. ستُرشَد خلال الفحص ثم تعود إلى هنا.
id_document_go = افحص وثيقة هويتي
id_document_pending = يجري فحص وثيقة هويتك.
push_hint = يُرسَل طلب إلى التطبيق على هاتفك. لا توافق عليه إلا إذا كنت أنت من طلب هنا.
push_go = أرسل الطلب
push_pending = أُرسِل طلب إلى التطبيق على هاتفك إن كان معدًّا هناك. لم يصل شيء؟ اختر طريقة أخرى.
push_number = قارن هذا الرقم بالرقم الظاهر على هاتفك أو اختره هناك:
verify_review = يطّلع شخص على وثائقك. قد يستغرق ذلك بعض الوقت. يمكنك إغلاق هذه الصفحة والعودة لاحقًا.
verify_updates = تُحدَّث هذه الصفحة تلقائيًا.
verify_look = انظر الآن
verify_back = تابع الفحص
confirmed_late = شكرًا، تم التأكيد. ما أرسلته لم يعد محفوظًا هنا. إن لم يُنفَّذ فارجع وأرسله مرة أخرى، ولن تُسأل ثانية.
verify_refused = رُفض ذلك، فلم يُؤكَّد شيء.
verify_over = استغرق ذلك وقتًا طويلًا أو انقطع. لم يُؤكَّد شيء، ويمكنك المحاولة مرة أخرى.
verify_often = جُرِّب ذلك مرات كثيرة. انتظر قليلًا أو اختر طريقة أخرى.
verify_unreachable = هذا غير ممكن في الوقت الحالي.

# Approval by a colleague: who asks, and who answers
way_approval = موافقة زميل
approval_hint = سيُطلب ممن يحق له الموافقة أن ينظر في هذا. لن يُتابَع بلا موافقة.
approval_go = اطلب الموافقة
approval_pending = أُبلغ من يحق لهم الموافقة. يمكنك إغلاق هذه الصفحة والعودة لاحقًا.
approval_withdraw = سحب الطلب
title_approvals = الموافقات
title_approval = هل توافق على هذا؟
approvals_none = لا شيء ينتظر موافقتك.
approvals_wait = هذا ينتظر موافقتك:
approval_who = من يطلب
approval_what = لأجل ماذا
approval_times = طُلب في { $asked }، وينتظر حتى { $until }.
approval_exact = أنت توافق على هذا بالضبط ولا شيء غيره. إن لم تعرف سبب الطلب فارفضه.
approval_approve = الموافقة بمفتاح المرور
approval_refuse = رفض
approval_needs_passkey = تحتاج إلى مفتاح مرور للموافقة. يمكنك إضافة واحد هنا:
approval_approved = تمت الموافقة على هذا.
approval_refused = رُفض هذا.
approval_withdrawn = سُحب هذا. لم يبقَ ما يُوافَق عليه.
approval_expired = انتهت صلاحية هذا. لم يبقَ ما يُوافَق عليه.
mail_approval_subject = موافقتك مطلوبة لدى { $service }
mail_approval_intro = يطلب شخص موافقتك لدى { $service }:
mail_approval_end = سجّل الدخول وانظر فيه هنا. إن لم تعرف سبب الطلب فارفضه.
