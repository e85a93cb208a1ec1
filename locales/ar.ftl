error_prefix = خطأ
reference = الرقم المرجعي
back_to_service = المتابعة إلى { $service }

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
email_wait = أُرسل رمز قبل لحظات. يُرجى الانتظار { $seconds } ثانية قبل طلب رمز آخر.
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
way_recovery_code = رمز الاسترداد
way_pow = فحص المتصفح
wrong = لم ينجح ذلك. تحقق مما كتبته وحاول مرة أخرى.
locked_method = محاولات خاطئة كثيرة. هذه الطريقة مغلقة لمدة { $minutes } { $minutes ->
    [one] دقيقة
    [two] دقيقتين
    [few] دقائق
   *[other] دقيقة
}. يمكنك استخدام طريقة أخرى.

title_confirmed = تم التأكيد
confirmed_go_on = شكرًا لك. اضغط الزر للمتابعة من حيث كنت.
confirmed_close = شكرًا لك. يمكنك المتابعة من حيث كنت.
confirmed_again = شكرًا لك. لم يمكن الاحتفاظ بما أرسلته. يُرجى الرجوع وإرساله مرة أخرى؛ لن تُسأل مجددًا.
already_confirmed = لقد أكدت هذه الخطوة من قبل.
continue_to = المتابعة إلى { $service }
title_gone = انتهت هذه الخطوة
gone = انتهت صلاحيتها أو أُنجزت في مكان آخر. لم يُرسل شيء. يُرجى البدء من جديد.

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
retry_in = يمكنك المحاولة مرة أخرى بعد حوالي { $minutes } { $minutes ->
    [one] دقيقة
    [two] دقيقتين
    [few] دقائق
   *[other] دقيقة
}.

tell_agent_not_a_machine = هذا مخصص للبرامج المسجلة فقط.
tell_agent_stale_token = رمز الوصول قديم جدًا. احصل على رمز جديد وحاول مرة أخرى.
tell_contact_refused = لم تتغير بيانات الاتصال الخاصة بك. يُرجى الاتصال بنا إذا كنت أنت من طلب ذلك.
tell_login_refused = لا يمكن تسجيل الدخول من هنا.
tell_login_unusual = يبدو تسجيل الدخول هذا مختلفًا عن المعتاد.
tell_reset_refused = لا يمكن إعادة تعيين كلمة المرور من هنا.
tell_signup_refused = لا يمكن فتح حساب من هنا.
tell_signup_robot = يُرجى إثبات أنك لست روبوتًا.
tell_transfer_refused = لم يُنفذ هذا التحويل. يُرجى الاتصال بنا.

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
date = { $year }-{ $month }-{ $day }

mail_code_subject = رمزك لـ { $service }
mail_code_intro = شخص ما، نأمل أنه أنت، يؤكد ما يلي في { $service }:
mail_code_label = رمزك:
mail_code_end = الرمز صالح لمدة عشر دقائق ويعمل مرة واحدة. لا تخبر به أحدًا يتصل بك. إذا لم تكن أنت فلا يلزمك فعل شيء؛ فكّر في تغيير كلمة المرور.
mail_address_subject = تغيّر عنوان بريدك الإلكتروني في { $service }
mail_address_body = أُضيف عنوان بريد إلكتروني جديد إلى حسابك في { $service }. لا تُرسل الرموز إليه إلا بعد 24 ساعة. إذا لم تكن أنت فيُرجى الاتصال بـ { $service } فورًا.
mail_notice_subject = نشاط في حسابك لدى { $service }
mail_notice_intro = حدث ما يلي في حسابك لدى { $service }:
mail_notice_passed_on = مُرِّر الطلب وقد يكون نُفِّذ.
mail_notice_asked = طُلب تأكيد قبل المتابعة.
mail_notice_refused = لم يُنفَّذ الطلب.
mail_notice_end = إذا كنت أنت فلا يلزمك فعل شيء. وإن لم تكن أنت فيُرجى الاتصال بـ { $service } فورًا.

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
