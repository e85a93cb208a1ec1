error_prefix = Hata
reference = Referans
back_to_service = { $service } ile devam edin

# Asking
title_confirm = Kimliğinizi doğrulayın
why = { $service }, şu işleme devam etmeden önce onayınızı istiyor:
why_bound = Tam olarak bunu onaylıyorsunuz. Girdiklerinizden farklı bir şey varsa devam etmeyin.
code_label = Altı haneli kod
totp_label = Kimlik doğrulama uygulamanızdaki kod
totp_hint = Kimlik doğrulama uygulamanızı açın ve gösterdiği altı rakamı yazın.
email_label = E-postadaki kod
email_hint = Kayıtlı bir e-posta adresi varsa altı haneli bir kod gönderildi. Kod on dakika geçerlidir.
email_send = E-posta ile kod gönder
email_send_hint = Kayıtlı bir e-posta adresi varsa bu adrese altı haneli bir kod gönderilecektir.
email_again = Yeni kod gönder
email_trouble = E-posta gönderilemedi: posta sunucusu yanıt vermiyor. Lütfen birazdan yeni bir kod isteyin.
email_trouble_other = Başka bir yöntem de seçebilirsiniz.
email_late = Yine de altı haneli bir kod alırsanız buraya yazın. Kod on dakika geçerlidir.
email_wait = Az önce bir kod gönderildi. Yeni bir kod istemeden önce lütfen { $seconds } { $seconds ->
    [one] saniye
   *[other] saniye
} bekleyin.
sms_label = SMS ile gelen kod
sms_hint = Kayıtlı bir telefon numarası varsa altı haneli kod içeren bir SMS gönderildi. Kod on dakika geçerlidir.
sms_send = SMS ile kod gönder
sms_send_hint = Kayıtlı bir telefon numarası varsa bu numaraya altı haneli bir kod gönderilecektir.
sms_again = Yeni SMS gönder
voice_label = Aramada söylenen kod
voice_hint = Kayıtlı bir telefon numarası varsa telefon çalacak ve bir ses altı rakam söyleyecektir. Kod on dakika geçerlidir.
voice_send = Arayarak kod bildir
voice_send_hint = Kayıtlı bir telefon numarası varsa bu numara aranacak ve altı rakam söylenecektir.
voice_again = Yeniden ara
captcha_hint = Lütfen robot olmadığınızı gösterin ve ardından onaylayın.
captcha_other = Başka bir test göster
captcha_trouble = Robotlara karşı test şu anda gösterilemiyor.
captcha_unheard = Test kontrol edilemedi. İşte bir başkası.
recovery_label = Kurtarma kodu
recovery_hint = Sakladığınız kurtarma kodlarından birini yazın. Her kod yalnızca bir kez kullanılabilir.
pow_title = Tarayıcınız kontrol ediliyor
pow_hint = Tarayıcınız küçük bir problemi çözüyor. Bu birkaç saniye sürer ve sizin bir şey yapmanız gerekmez.
pow_no_script = Bu kontrol için JavaScript gereklidir. Lütfen JavaScript’i etkinleştirip sayfayı yenileyin veya başka bir yöntem seçin.
pow_start = Kontrolü başlat
confirm = Onayla
other_ways = Başka bir yöntem
way_totp = Kimlik doğrulama uygulaması
way_email_code = E-posta ile kod
way_sms_code = SMS ile kod
way_voice_code = Telefon aramasıyla kod
way_captcha = Robotlara karşı test
way_recovery_code = Kurtarma kodu
way_pow = Tarayıcı kontrolü
wrong = Olmadı. Yazdığınızı kontrol edip yeniden deneyin.
locked_method = Çok fazla yanlış yanıt verildi. Bu yöntem { $minutes } { $minutes ->
    [one] dakika
   *[other] dakika
} daha kapalıdır. Başka bir yöntem kullanabilirsiniz.

# Afterwards
title_confirmed = Onaylandı
confirmed_go_on = Teşekkür ederiz. Kaldığınız yerden devam etmek için düğmeye basın.
confirmed_close = Teşekkür ederiz. Kaldığınız yerden devam edebilirsiniz.
confirmed_again = Teşekkür ederiz. Gönderdikleriniz saklanamadı. Lütfen geri dönüp yeniden gönderin; onayınız tekrar istenmeyecektir.
already_confirmed = Bu adımı zaten onayladınız.
continue_to = { $service } ile devam edin
title_gone = Bu adım sona erdi
gone = Süresi doldu veya başka bir yerde tamamlandı. Hiçbir şey gönderilmedi. Lütfen yeniden başlayın.

# Refusing
title_refused = Bu işlem şu anda yapılamıyor
title_locked = Geçici olarak kilitlendi
title_busy = Çok fazla istek
title_unavailable = Lütfen birazdan yeniden deneyin
refused = İsteğiniz yerine getirilmedi. Yardıma ihtiyacınız olursa aşağıdaki referansı belirtin.
refused_locked = Çok fazla başarısız deneme yapıldı. Lütfen daha sonra yeniden deneyin.
refused_rate = Çok hızlıydı. Lütfen biraz bekleyip yeniden deneyin.
refused_unavailable = İsteğinizi şu anda kontrol edemiyoruz. İstek yerine getirilmedi.
refused_cross_site = İstek başka bir siteden geldi ve yerine getirilmedi. Lütfen doğrudan { $service } üzerinden yeniden başlayın.
refused_malformed = İstek okunamadı ve yerine getirilmedi.
refused_resume = Göndermek üzere olduğunuz içerik daha önce gönderildi, süresi doldu veya başkasına ait. Yeniden gönderilmedi.
refused_elsewhere = Göndermek üzere olduğunuz içerik güvenle saklanıyor, ancak bu sunucu içeriğin bulunduğu yere ulaşamıyor. İçerik gönderilmedi ve kaybolmadı. Lütfen birazdan yeniden deneyin.
refused_insecure = Bunun için güvenli bir bağlantı (https) gereklidir.
retry_in = Yaklaşık { $minutes } { $minutes ->
    [one] dakika
   *[other] dakika
} sonra yeniden deneyebilirsiniz.

# What shipped policies tell
tell_agent_not_a_machine = Bu erişim yalnızca kayıtlı programlar içindir.
tell_agent_stale_token = Erişim belirteci çok eski. Yeni bir tane alıp yeniden deneyin.
tell_contact_refused = İletişim bilgileriniz değiştirilmedi. Bu işlemi siz yaptıysanız lütfen bizi arayın.
tell_login_refused = Buradan oturum açılamıyor.
tell_login_unusual = Bu oturum açma işlemi alışılmış olanlardan farklı.
tell_reset_refused = Parola buradan sıfırlanamıyor.
tell_signup_refused = Buradan hesap açılamıyor.
tell_signup_robot = Lütfen robot olmadığınızı gösterin.
tell_transfer_refused = Bu transfer gerçekleştirilmedi. Lütfen bizi arayın.

# Setting up
title_methods = Kimliğinizi doğrulama yöntemleri
methods_none = Henüz hiçbir şey ayarlanmadı.
methods_list = Ayarlanmış yöntemler
method_totp = Kimlik doğrulama uygulaması, eklenme tarihi { $date }
method_recovery = Kurtarma kodları, kalan: { $left }
method_recovery_title = Kurtarma kodları
add_totp = Kimlik doğrulama uygulaması ekle
new_recovery = Yeni kurtarma kodları oluştur
remove = Kaldır
remove_totp = { $date } tarihinde eklenen kimlik doğrulama uygulamasını kaldır
title_add_totp = Kimlik doğrulama uygulaması ekleyin
scan = Bu resmi kimlik doğrulama uygulamanızla tarayın.
scan_alt = Aşağıda yazılı kurulum anahtarını içeren QR kodu
scan_key = Veya bu anahtarı uygulamaya yazın:
scan_code = Ardından uygulamanın gösterdiği altı rakamı yazın
save = Kaydet
event_change_how_you_confirm = Kimlik doğrulama yöntemlerinin değiştirilmesi
cancel = Vazgeç
title_recovery = Kurtarma kodlarınız
recovery_once = Bu kodları güvenli bir yerde saklayın. Yalnızca şimdi gösterilirler. Uygulamanız yanınızda olmadığında her biri bir kez kullanılabilir.
recovery_kept = Kodları sakladım
enrol_refused = Bu şu anda ayarlanamıyor. Daha önce kullandığınız bir cihazda yeniden oturum açın veya zaten ayarlanmış bir yöntemi kullanın.
enrol_sign_in = Lütfen önce oturum açın.
title_invited = Kimliğinizi doğrulamak için bir yöntem ayarlayın
date = { $day }.{ $month }.{ $year }
number = 1.234.567,89

# Mail
mail_code_subject = { $service } kodunuz
mail_code_intro = Birisi, umarız sizsinizdir, { $service } üzerinde şunu onaylıyor:
mail_code_label = Kodunuz:
mail_code_end = Kod on dakika geçerlidir ve bir kez kullanılabilir. Sizi arayan hiç kimseye söylemeyin. Bu siz değilseniz bir şey yapmanız gerekmez; parolanızı değiştirmeyi düşünün.
mail_address_subject = { $service } hesabınızdaki e-posta adresi değiştirildi
mail_address_body = { $service } hesabınıza yeni bir e-posta adresi eklendi. Bu adrese ancak 24 saat sonra kod gönderilir. Bu siz değilseniz lütfen hemen { $service } ile iletişime geçin.
sms_message = { $service } kodunuz: { $code }. Sizi arayan hiç kimseye söylemeyin.
voice_message = { $service } sizi arıyor. Kodunuz: { $code }. Tekrar ediyoruz: { $code }. Sizi arayan hiç kimseye söylemeyin.
mail_phone_subject = { $service } hesabınızdaki telefon numarası değiştirildi
mail_phone_body = { $service } hesabınıza yeni bir telefon numarası eklendi. Bu numaraya ancak 24 saat sonra kod gönderilir. Bu siz değilseniz lütfen hemen { $service } ile iletişime geçin.
mail_methods_subject = { $service } hesabınızın kimlik doğrulama yöntemleri değiştirildi
mail_methods_added = { $service } hesabınız için şu ayarlandı: { $method }.
mail_methods_removed = { $service } hesabınızdan şu kaldırıldı: { $method }.
mail_methods_renewed = { $service } hesabınız için yeni kurtarma kodları oluşturuldu. Eskileri artık geçersizdir.
mail_methods_reset = { $service }, hesabınız için ayarlanmış tüm kimlik doğrulama yöntemlerini kaldırdı ve oturumunuzu her yerde kapattı.
mail_notice_subject = { $service } hesabınızda hareket
mail_notice_intro = { $service } hesabınızda şu gerçekleşti:
mail_notice_passed_on = İstek iletildi ve etkili olmuş olabilir.
mail_notice_asked = Devam etmeden önce onay istendi.
mail_notice_refused = İstek yerine getirilmedi.
mail_notice_end = Bu sizseniz bir şey yapmanız gerekmez. Değilseniz lütfen hemen { $service } ile iletişime geçin.

# What is confirmed
event_admin_area = Yönetim
event_change_contact_data = İletişim bilgilerinin değiştirilmesi
event_login = Oturum açma
event_logout = Oturumu kapatma
event_password_reset = Yeni parola
event_sign_up = Yeni hesap
event_transfer_money = Para transferi
fact_amount = Tutar
fact_email = E-posta adresi
fact_payee = Alıcı
way_passkey = Geçiş anahtarı
passkey_use = Geçiş anahtarınızı kullanın
passkey_hint = Parmak iziniz, yüzünüz veya cihazınızın kilidiyle onaylayın.
passkey_none = Bu tarayıcı geçiş anahtarlarını kullanamıyor. Lütfen başka bir yöntem seçin veya bu sayfayı başka bir tarayıcıda açın.
passkey_no_script = Geçiş anahtarları için JavaScript gereklidir. Lütfen JavaScript’i etkinleştirip sayfayı yenileyin veya başka bir yöntem seçin.
passkey_stopped = Geçiş anahtarı kullanılmadı. Yeniden deneyebilir veya başka bir yöntem seçebilirsiniz.
passkey_there = Bu cihazda hesabınız için zaten bir geçiş anahtarı var.
passkey_wrong = Olmadı. Lütfen yeniden deneyin veya başka bir yöntem seçin.
passkey_failed = Geçiş anahtarı ayarlanamadı. Lütfen yeniden deneyin.
passkey_about = Geçiş anahtarı, kimliğinizi parmak iziniz, yüzünüz veya cihazınızın kilidiyle doğrular. Tahmin edilemez ve yalnızca bu sitede çalışır.
passkey_label = Ad (isteğe bağlı)
passkey_label_hint = Listede tanıyabilmeniz için, örneğin “telefonum”.
passkey_make = Geçiş anahtarı oluştur
add_passkey = Geçiş anahtarı ekle
method_passkey = Geçiş anahtarı, eklenme tarihi { $date }
method_passkey_named = Geçiş anahtarı “{ $label }”, eklenme tarihi { $date }
remove_passkey = { $date } tarihinde eklenen geçiş anahtarını kaldır
remove_passkey_named = { $date } tarihinde eklenen “{ $label }” geçiş anahtarını kaldır
event_app = İsteğiniz

# Signing in at the customer's own identity provider
way_oidc = Yeniden oturum aç
oidc_hint = Her zamanki oturum açma sayfanıza yönlendirilecek, ardından buraya döneceksiniz.
oidc_go = Yeniden oturum aç
oidc_abandoned = Oturum açmadınız. Hiçbir şey onaylanmadı. Yeniden deneyebilir veya başka bir yöntem seçebilirsiniz.
oidc_unreachable = Oturum açma sayfası şu anda yanıt vermiyor. Lütfen birazdan yeniden deneyin.
oidc_unconfirmed = Oturum açmanız doğrulanamadı. Lütfen yeniden deneyin veya başka bir yöntem seçin.
oidc_weak = Oturum açma yönteminiz bu işlem için yeterince güçlü değildi. Lütfen ikinci doğrulama adımınızla veya geçiş anahtarınızla yeniden oturum açın.
oidc_old = Son oturum açmanızın üzerinden çok zaman geçti. Lütfen yeniden oturum açın.
oidc_stale = Bu oturum açma işlemi zaten kullanıldı veya çok uzun sürdü. Lütfen yeniden oturum açın.
oidc_often = Oturum açma sayfasına çok sık yönlendirildiniz. Lütfen birkaç dakika bekleyin veya başka bir yöntem seçin.
oidc_somebody_else = Orada başka biri oturum açtı. Lütfen buradaki kişiyle oturum açın.
way_id_document = Kimlik belgesi
way_push = Telefonunuza gönderilen istek
id_document_hint = Kimlik belgenizi hazır bulundurun. Kontrol boyunca yönlendirilecek, ardından buraya döneceksiniz.
id_document_go = Kimlik belgemi kontrol et
id_document_pending = Kimlik belgeniz kontrol ediliyor.
push_hint = Telefonunuzdaki uygulamaya bir istek gönderilir. İsteği yalnızca burada siz yaptıysanız onaylayın.
push_go = İsteği gönder
push_pending = Uygulama telefonunuzda ayarlıysa ona bir istek gönderildi. Hiçbir şey gelmedi mi? Başka bir yöntem seçin.
push_number = Bu sayıyı telefonunuzdaki sayıyla karşılaştırın veya orada seçin:
verify_review = Belgelerinizi bir görevli inceliyor. Bu biraz zaman alabilir. Bu sayfayı kapatıp daha sonra geri dönebilirsiniz.
verify_updates = Bu sayfa kendiliğinden güncellenir.
verify_look = Şimdi bak
verify_back = Kontrole devam et
confirmed_late = Teşekkür ederiz, onaylandı. Gönderdikleriniz artık burada saklanmıyor. Yerine getirilmediyse geri dönüp yeniden gönderin; onayınız tekrar istenmeyecektir.
verify_refused = Reddedildi, bu nedenle hiçbir şey onaylanmadı.
verify_over = Çok uzun sürdü veya yarıda kesildi. Hiçbir şey onaylanmadı; yeniden deneyebilirsiniz.
verify_often = Çok fazla deneme yapıldı. Lütfen bir süre bekleyin veya başka bir yöntem seçin.
verify_unreachable = Bu işlem şu anda yapılamıyor.

# Approval by a colleague: who asks, and who answers
way_approval = Bir iş arkadaşının onayı
approval_hint = Bunu onaylayabilecek birinden bakması istenir. Onay olmadan işlem sürmez.
approval_go = Onay iste
approval_pending = Bunu onaylayabilecek kişilere haber verildi. Bu sayfayı kapatıp sonra dönebilirsiniz.
approval_withdraw = İsteği geri çek
title_approvals = Onaylar
title_approval = Bunu onaylıyor musunuz?
approvals_none = Onayınızı bekleyen bir şey yok.
approvals_wait = Onayınızı bekleyenler:
approval_who = Kim istiyor
approval_what = Ne için
approval_times = İstendiği an: { $asked }, son an: { $until }.
approval_exact = Tam olarak bunu onaylıyorsunuz, başka hiçbir şeyi değil. Neden istendiğini bilmiyorsanız reddedin.
approval_approve = Geçiş anahtarınızla onaylayın
approval_refuse = Reddet
approval_needs_passkey = Onaylamak için bir geçiş anahtarı gerekir. Buradan ekleyebilirsiniz:
approval_approved = Bu onaylandı.
approval_refused = Bu reddedildi.
approval_withdrawn = Bu geri çekildi. Onaylanacak bir şey kalmadı.
approval_expired = Bunun süresi doldu. Onaylanacak bir şey kalmadı.
mail_approval_subject = { $service } için onayınız isteniyor
mail_approval_intro = Biri { $service } üzerinde onayınızı istiyor:
mail_approval_end = Oturum açıp buradan bakın. Neden istendiğini bilmiyorsanız reddedin.
