error_prefix = エラー
reference = お問い合わせ番号
back_to_service = { $service } に進む

# Asking
title_confirm = ご本人の確認
why = { $service } で次の操作を続けるには、確認が必要です：
why_bound = 次の内容をそのまま確認することになります。入力した内容と異なる点がある場合は、先に進まないでください。
code_label = 6 桁のコード
totp_label = 認証アプリのコード
totp_hint = 認証アプリを開き、表示されている 6 桁の数字を入力してください。
email_label = メールに記載のコード
email_hint = メールアドレスが登録されている場合は、6 桁のコードをお送りしました。有効期間は 10 分です。
email_send = メールでコードを受け取る
email_send_hint = メールアドレスが登録されている場合は、6 桁のコードをお送りします。
email_again = コードを再送する
email_trouble = メールサーバーが応答しないため、メールを送信できませんでした。しばらくしてから、もう一度コードを請求してください。
email_trouble_other = 別の方法を選ぶこともできます。
email_late = それでも 6 桁のコードが届いた場合は、ここに入力してください。有効期間は 10 分です。
email_wait = コードは先ほど送信されました。再送を請求するまで、あと { $seconds } 秒お待ちください。
sms_label = SMS に記載のコード
sms_hint = 電話番号が登録されている場合は、6 桁のコードを SMS でお送りしました。有効期間は 10 分です。
sms_send = SMS でコードを受け取る
sms_send_hint = 電話番号が登録されている場合は、6 桁のコードを SMS でお送りします。
sms_again = SMS を再送する
voice_label = 電話でお伝えしたコード
voice_hint = 電話番号が登録されている場合は、お電話をおかけし、音声で 6 桁の数字をお伝えします。有効期間は 10 分です。
voice_send = 電話でコードを受け取る
voice_send_hint = 電話番号が登録されている場合は、お電話をおかけし、6 桁の数字をお伝えします。
voice_again = もう一度電話を受ける
captcha_hint = ロボットではないことを示してから、確認してください。
captcha_other = 別のテストを表示する
captcha_trouble = ロボット対策のテストを現在表示できません。
captcha_unheard = テストの結果を確認できませんでした。別のテストをお試しください。
recovery_label = リカバリーコード
recovery_hint = 保管しているリカバリーコードを 1 つ入力してください。各コードは 1 回だけ使えます。
pow_title = ブラウザーの確認
pow_hint = ブラウザーが小さな計算をしています。数秒で終わります。操作は必要ありません。
pow_no_script = この確認には JavaScript が必要です。有効にしてページを再読み込みするか、別の方法を選んでください。
pow_start = 確認を始める
confirm = 確認する
other_ways = 別の方法
way_totp = 認証アプリ
way_email_code = メールでコードを受け取る
way_sms_code = SMS でコードを受け取る
way_voice_code = 電話でコードを受け取る
way_captcha = ロボット対策のテスト
way_recovery_code = リカバリーコード
way_pow = ブラウザーの確認
wrong = 確認できませんでした。入力内容を確かめて、もう一度お試しください。
locked_method = 誤った入力が多すぎます。この方法はあと { $minutes } 分間使えません。別の方法をお使いください。

# Afterwards
title_confirmed = 確認しました
confirmed_go_on = ありがとうございます。ボタンを押すと、元の操作の続きに進みます。
confirmed_close = ありがとうございます。元の操作を続けられます。
confirmed_again = ありがとうございます。送信された内容を保管できませんでした。前の画面に戻って、もう一度送信してください。再度の確認は不要です。
already_confirmed = この手順はすでに確認済みです。
continue_to = { $service } に進む
title_gone = この手順は終了しました
gone = 有効期限が切れたか、別の場所で完了しています。何も送信されていません。最初からやり直してください。

# Refusing
title_refused = 現在この操作はできません
title_locked = 一時的にロックされています
title_busy = リクエストが多すぎます
title_unavailable = しばらくしてからお試しください
refused = ご依頼は実行されませんでした。お問い合わせの際は、下の番号をお知らせください。
refused_locked = 失敗した回数が多すぎます。時間をおいてからもう一度お試しください。
refused_rate = 操作が速すぎます。少し待ってから、もう一度お試しください。
refused_unavailable = 現在、ご依頼を確認できません。ご依頼は実行されませんでした。
refused_cross_site = 別のサイトからの依頼のため、実行されませんでした。{ $service } から直接やり直してください。
refused_malformed = 依頼の内容を読み取れないため、実行されませんでした。
refused_resume = 送信しようとした内容は、すでに送信済みか、期限切れか、他の方のものです。再送信はされませんでした。
refused_insecure = この操作には安全な接続（https）が必要です。
retry_in = 約 { $minutes } 分後に、もう一度お試しいただけます。

# What shipped policies tell
tell_agent_not_a_machine = 登録済みのプログラム専用です。
tell_agent_stale_token = アクセストークンが古すぎます。新しいトークンを取得して、もう一度お試しください。
tell_contact_refused = ご連絡先は変更されませんでした。お心当たりがある場合は、お電話でお問い合わせください。
tell_login_refused = ここからはサインインできません。
tell_login_unusual = 普段とは異なるサインインです。
tell_reset_refused = ここからはパスワードを再設定できません。
tell_signup_refused = ここからは口座やアカウントを開設できません。
tell_signup_robot = ロボットではないことを示してください。
tell_transfer_refused = この振込は実行されませんでした。お電話でお問い合わせください。

# Setting up
title_methods = ご本人の確認方法
methods_none = まだ何も設定されていません。
methods_list = 設定済みの方法
method_totp = 認証アプリ（{ $date } に追加）
method_recovery = リカバリーコード（残り { $left } 個）
method_recovery_title = リカバリーコード
add_totp = 認証アプリを追加する
new_recovery = 新しいリカバリーコードを作成する
remove = 削除
remove_totp = { $date } に追加した認証アプリを削除する
title_add_totp = 認証アプリの追加
scan = この画像を認証アプリで読み取ってください。
scan_alt = 下に記載された設定キーの QR コード
scan_key = または、次のキーをアプリに入力してください：
scan_code = 次に、アプリに表示される 6 桁の数字を入力してください
save = 保存する
event_change_how_you_confirm = ご本人の確認方法の変更
cancel = キャンセル
title_recovery = お客様のリカバリーコード
recovery_once = これらのコードは安全な場所に保管してください。表示されるのは今回だけです。アプリが手元にないときに、それぞれ 1 回だけ使えます。
recovery_kept = 保管しました
enrol_refused = 現在は設定できません。以前に使った端末でもう一度サインインするか、設定済みの方法をお使いください。
enrol_sign_in = 先にサインインしてください。
title_invited = ご本人の確認方法を設定する
date = { $year }/{ $month }/{ $day }
number = 1,234,567.89

# Mail
mail_code_subject = { $service } のコード
mail_code_intro = どなたか（お客様ご自身であることを願います）が、{ $service } で次の操作を確認しようとしています：
mail_code_label = お客様のコード：
mail_code_end = 有効期間は 10 分で、1 回だけ使えます。電話をかけてきた相手には決して教えないでください。お心当たりがない場合、何もする必要はありませんが、パスワードの変更をご検討ください。
mail_address_subject = { $service } のメールアドレスが変更されました
mail_address_body = { $service } のお客様のアカウントに新しいメールアドレスが追加されました。コードがこのアドレスに送られるのは 24 時間後からです。お心当たりがない場合は、すぐに { $service } までご連絡ください。
sms_message = { $code } は { $service } のコードです。電話をかけてきた相手には決して教えないでください。
voice_message = { $service } からのお電話です。コードは { $code } です。繰り返します。{ $code } です。電話をかけてきた相手には決して教えないでください。
mail_phone_subject = { $service } のアカウントの電話番号が変更されました
mail_phone_body = { $service } のお客様のアカウントに新しい電話番号が追加されました。コードがこの番号に送られるのは 24 時間後からです。お心当たりがない場合は、すぐに { $service } までご連絡ください。
mail_notice_subject = { $service } のアカウントでの操作のお知らせ
mail_notice_intro = { $service } のお客様のアカウントで次の操作がありました：
mail_notice_passed_on = 依頼は送られ、実行された可能性があります。
mail_notice_asked = 続ける前に確認が求められました。
mail_notice_refused = 実行されませんでした。
mail_notice_end = お客様ご自身の操作であれば、何もする必要はありません。そうでない場合は、すぐに { $service } までご連絡ください。

# What is confirmed
event_admin_area = 管理画面
event_change_contact_data = 連絡先の変更
event_login = サインイン
event_logout = サインアウト
event_password_reset = パスワードの再設定
event_sign_up = アカウントの開設
event_transfer_money = 振込
fact_amount = 金額
fact_email = メールアドレス
fact_payee = 受取人

# Signing in at the customer's own identity provider
way_oidc = もう一度サインインする
oidc_hint = 普段のサインインページに移動し、その後ここに戻ります。
oidc_go = もう一度サインインする
oidc_abandoned = サインインされませんでした。何も確認されていません。もう一度試すか、別の方法を選べます。
oidc_unreachable = サインインページが現在応答していません。しばらくしてからお試しください。
oidc_unconfirmed = サインインを確認できませんでした。もう一度お試しになるか、別の方法を選んでください。
oidc_weak = このサインインでは、この操作に必要な強さがありません。第二の要素またはパスキーを使って、もう一度サインインしてください。
oidc_old = 前回のサインインから時間が経ちすぎています。もう一度サインインしてください。
oidc_stale = そのサインインはすでに使用されたか、時間がかかりすぎました。もう一度サインインしてください。
oidc_often = サインインページへの移動が多すぎます。数分お待ちになるか、別の方法を選んでください。
oidc_somebody_else = 別の方がサインインしました。ここと同じご本人としてサインインしてください。
