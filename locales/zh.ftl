error_prefix = 错误
reference = 参考编号
back_to_service = 前往 { $service }

# Asking
title_confirm = 请确认是您本人
why = { $service } 需要您先确认，然后才能继续以下操作：
why_bound = 您所确认的正是以下内容。如有任何一项与您输入的不符，请不要继续。
code_label = 六位验证码
totp_label = 身份验证器应用中的验证码
totp_hint = 请打开身份验证器应用，输入其中显示的六位数字。
email_label = 邮件中的验证码
email_hint = 如果您登记过电子邮箱，六位验证码已发送至该邮箱，十分钟内有效。
email_send = 通过邮件获取验证码
email_send_hint = 如果您登记过电子邮箱，我们将向该邮箱发送六位验证码。
email_again = 重新发送验证码
email_trouble = 邮件服务器没有响应，邮件未能发出。请稍后重新获取验证码。
email_trouble_other = 您也可以选择其他方式。
email_late = 如果您仍然收到了六位验证码，请在此输入。验证码十分钟内有效。
email_wait = 刚刚已发送过验证码。请等待 { $seconds } 秒后再重新获取。
sms_label = 短信中的验证码
sms_hint = 如果您登记过电话号码，含有六位验证码的短信已发送至该号码，十分钟内有效。
sms_send = 通过短信获取验证码
sms_send_hint = 如果您登记过电话号码，我们将向该号码发送六位验证码。
sms_again = 重新发送短信
voice_label = 电话中播报的验证码
voice_hint = 如果您登记过电话号码，您将接到来电，语音会播报六位数字，十分钟内有效。
voice_send = 通过电话获取验证码
voice_send_hint = 如果您登记过电话号码，我们将拨打该号码并播报六位数字。
voice_again = 重新拨打
captcha_hint = 请证明您不是机器人，然后确认。
captcha_other = 换一个测试
captcha_trouble = 目前无法显示人机测试。
captcha_unheard = 测试结果未能核实，请完成另一个测试。
recovery_label = 恢复码
recovery_hint = 请输入您保存的任意一个恢复码。每个恢复码只能使用一次。
pow_title = 正在检查您的浏览器
pow_hint = 您的浏览器正在解一道小题，需要几秒钟，您无需进行任何操作。
pow_no_script = 此项检查需要 JavaScript。请启用后重新加载页面，或选择其他方式。
pow_start = 开始检查
confirm = 确认
other_ways = 其他方式
way_totp = 身份验证器应用
way_email_code = 邮件验证码
way_sms_code = 短信验证码
way_voice_code = 电话验证码
way_captcha = 人机测试
way_recovery_code = 恢复码
way_pow = 浏览器检查
wrong = 验证未通过。请检查您输入的内容，然后重试。
locked_method = 错误次数过多。此方式将在 { $minutes } 分钟内不可用。您可以使用其他方式。

# Afterwards
title_confirmed = 已确认
confirmed_go_on = 谢谢。请点击按钮，继续刚才的操作。
confirmed_close = 谢谢。您可以继续刚才的操作。
confirmed_again = 谢谢。您提交的内容未能保留。请返回并重新提交；不会再次要求您确认。
already_confirmed = 您已确认过这一步。
continue_to = 前往 { $service }
title_gone = 这一步已结束
gone = 这一步已过期或已在别处完成。未发送任何内容。请重新开始。

# Refusing
title_refused = 目前无法进行此操作
title_locked = 暂时锁定
title_busy = 请求过多
title_unavailable = 请稍后重试
refused = 您的请求未执行。如需帮助，请提供下方的参考编号。
refused_locked = 失败次数过多。请稍后再试。
refused_rate = 操作过快。请稍等片刻后重试。
refused_unavailable = 我们目前无法核实您的请求。请求未执行。
refused_cross_site = 该请求来自其他网站，未执行。请直接在 { $service } 上重新开始。
refused_malformed = 该请求无法读取，未执行。
refused_resume = 您要提交的内容已经提交过、已过期或属于他人，未再次提交。
refused_insecure = 此操作需要安全连接（https）。
retry_in = 您可以在大约 { $minutes } 分钟后重试。

# What shipped policies tell
tell_agent_not_a_machine = 此处仅供已注册的程序使用。
tell_agent_stale_token = 访问令牌已过旧。请获取新令牌后重试。
tell_contact_refused = 您的联系方式未更改。如果是您本人操作，请致电我们。
tell_login_refused = 无法从此处登录。
tell_login_unusual = 此次登录与您平时的登录不同。
tell_reset_refused = 无法从此处重置密码。
tell_signup_refused = 无法从此处开立账户。
tell_signup_robot = 请证明您不是机器人。
tell_transfer_refused = 此笔转账未执行。请致电我们。

# Setting up
title_methods = 身份确认方式
methods_none = 尚未设置任何方式。
methods_list = 已设置的方式
method_totp = 身份验证器应用，添加于 { $date }
method_recovery = 恢复码，剩余 { $left } 个
method_recovery_title = 恢复码
add_totp = 添加身份验证器应用
new_recovery = 生成新的恢复码
remove = 移除
remove_totp = 移除于 { $date } 添加的身份验证器应用
title_add_totp = 添加身份验证器应用
scan = 请使用身份验证器应用扫描此图片。
scan_alt = 二维码，包含下方所示的设置密钥
scan_key = 或在应用中输入以下密钥：
scan_code = 然后输入应用显示的六位数字
save = 保存
event_change_how_you_confirm = 更改身份确认方式
cancel = 取消
title_recovery = 您的恢复码
recovery_once = 请将这些恢复码保存在安全的地方。它们仅在此时显示。当您无法使用应用时，每个恢复码可使用一次。
recovery_kept = 我已保存
enrol_refused = 目前无法进行设置。请在您曾使用过的设备上重新登录，或使用已设置的方式。
enrol_sign_in = 请先登录。
title_invited = 设置一种身份确认方式
date = { $year }年{ $month }月{ $day }日
number = 1,234,567.89

# Mail
mail_code_subject = 您的 { $service } 验证码
mail_code_intro = 有人（希望是您本人）正在 { $service } 上确认以下操作：
mail_code_label = 您的验证码：
mail_code_end = 验证码十分钟内有效，只能使用一次。切勿告知任何致电给您的人。如果不是您本人操作，您无需采取任何措施；建议您考虑更改密码。
mail_address_subject = 您在 { $service } 的电子邮箱已更改
mail_address_body = 您的 { $service } 账户添加了新的电子邮箱。24 小时后才会向该邮箱发送验证码。如果不是您本人操作，请立即联系 { $service }。
sms_message = { $code } 是您的 { $service } 验证码。切勿告知任何致电给您的人。
voice_message = 这是来自 { $service } 的电话。您的验证码是：{ $code }。重复一遍：{ $code }。切勿告知任何致电给您的人。
mail_phone_subject = 您的 { $service } 账户的电话号码已更改
mail_phone_body = 您的 { $service } 账户添加了新的电话号码。24 小时后才会向该号码发送验证码。如果不是您本人操作，请立即联系 { $service }。
mail_notice_subject = 您的 { $service } 账户动态
mail_notice_intro = 您的 { $service } 账户发生了以下情况：
mail_notice_passed_on = 请求已转交，可能已生效。
mail_notice_asked = 继续之前要求进行确认。
mail_notice_refused = 请求未执行。
mail_notice_end = 如果是您本人操作，您无需采取任何措施。如果不是，请立即联系 { $service }。

# What is confirmed
event_admin_area = 管理区
event_change_contact_data = 更改联系方式
event_login = 登录
event_logout = 退出登录
event_password_reset = 重置密码
event_sign_up = 开立账户
event_transfer_money = 转账
fact_amount = 金额
fact_email = 电子邮箱
fact_payee = 收款人

# Signing in at the customer's own identity provider
way_oidc = 重新登录
oidc_hint = 您将前往平时使用的登录页面，之后会返回此处。
oidc_go = 重新登录
oidc_abandoned = 您没有登录，未确认任何内容。您可以重试或选择其他方式。
oidc_unreachable = 登录页面目前没有响应。请稍后重试。
oidc_unconfirmed = 无法确认您的登录。请重试，或选择其他方式。
oidc_weak = 您的登录强度不足以进行此操作。请使用第二重验证或通行密钥重新登录。
oidc_old = 您上次登录的时间过久。请重新登录。
oidc_stale = 该登录已被使用或耗时过长。请重新登录。
oidc_often = 您前往登录页面的次数过多。请等待几分钟，或选择其他方式。
oidc_somebody_else = 在那里登录的是另一个人。请以此处的同一身份登录。
