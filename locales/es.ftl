error_prefix = Error
reference = Referencia
back_to_service = Continuar a { $service }

# Asking
title_confirm = Confirme su identidad
why = { $service } le pide una confirmación antes de continuar con:
why_bound = Está confirmando exactamente esto. Si algo no coincide con lo que introdujo, no continúe.
code_label = Código de seis dígitos
totp_label = Código de su aplicación de autenticación
totp_hint = Abra su aplicación de autenticación y escriba los seis dígitos que muestra.
email_label = Código del correo electrónico
email_hint = Si hay una dirección de correo registrada, se le ha enviado un código de seis dígitos. Es válido durante diez minutos.
email_send = Recibir un código por correo
email_send_hint = Se enviará un código de seis dígitos a la dirección de correo registrada, si la hay.
email_again = Enviar otro código
email_trouble = No se ha podido enviar el correo: el servidor de correo no responde. Solicite otro código en un momento, por favor.
email_trouble_other = También puede elegir otro método.
email_late = Si de todos modos le llega un código de seis dígitos, escríbalo aquí. Es válido durante diez minutos.
email_wait = Acabamos de enviar un código. Espere { $seconds } { $seconds ->
    [one] segundo
   *[other] segundos
} antes de solicitar otro, por favor.
sms_label = Código del SMS
sms_hint = Si hay un número de teléfono registrado, se le ha enviado un SMS con un código de seis dígitos. Es válido durante diez minutos.
sms_send = Recibir un código por SMS
sms_send_hint = Se enviará un código de seis dígitos al número de teléfono registrado, si lo hay.
sms_again = Enviar otro SMS
voice_label = Código de la llamada
voice_hint = Si hay un número de teléfono registrado, sonará y una voz dirá seis dígitos. Son válidos durante diez minutos.
voice_send = Recibir un código por llamada
voice_send_hint = Se llamará al número de teléfono registrado, si lo hay, y se dirán seis dígitos.
voice_again = Llamar otra vez
captcha_hint = Demuestre que no es un robot y después confirme, por favor.
captcha_other = Mostrar otra prueba
captcha_trouble = La prueba contra robots no se puede mostrar en este momento.
captcha_unheard = No se ha podido comprobar la prueba. Aquí tiene otra.
recovery_label = Código de recuperación
recovery_hint = Escriba uno de los códigos de recuperación que guardó. Cada uno sirve una sola vez.
pow_title = Comprobación de su navegador
pow_hint = Su navegador resuelve un pequeño cálculo. Tarda unos segundos y usted no tiene que hacer nada.
pow_no_script = Esta comprobación necesita JavaScript. Actívelo y vuelva a cargar la página, o elija otro método.
pow_start = Iniciar la comprobación
confirm = Confirmar
other_ways = Otro método
way_totp = Aplicación de autenticación
way_email_code = Código por correo electrónico
way_sms_code = Código por SMS
way_voice_code = Código por llamada telefónica
way_captcha = Prueba contra robots
way_recovery_code = Código de recuperación
way_pow = Comprobación del navegador
wrong = No ha funcionado. Revise lo que ha escrito e inténtelo de nuevo.
locked_method = Demasiadas respuestas incorrectas. Este método estará bloqueado durante { $minutes } { $minutes ->
    [one] minuto
   *[other] minutos
} más. Puede usar otro método.

# Afterwards
title_confirmed = Confirmado
confirmed_go_on = Gracias. Pulse el botón para continuar donde estaba.
confirmed_close = Gracias. Puede continuar donde estaba.
confirmed_again = Gracias. No se ha podido conservar lo que envió. Vuelva atrás y envíelo otra vez; no se le volverá a preguntar.
already_confirmed = Ya ha confirmado este paso.
continue_to = Continuar a { $service }
title_gone = Este paso ha terminado
gone = Ha caducado o se terminó en otro lugar. No se ha enviado nada. Empiece de nuevo, por favor.

# Refusing
title_refused = Esto no es posible en este momento
title_locked = Bloqueado temporalmente
title_busy = Demasiadas solicitudes
title_unavailable = Inténtelo de nuevo en un momento
refused = Su solicitud no se ha realizado. Si necesita ayuda, indique la referencia que aparece abajo.
refused_locked = Ha habido demasiados intentos fallidos. Inténtelo más tarde, por favor.
refused_rate = Ha sido demasiado rápido. Espere un poco e inténtelo de nuevo, por favor.
refused_unavailable = No podemos comprobar su solicitud en este momento. No se ha realizado.
refused_cross_site = La solicitud procedía de otro sitio y no se ha realizado. Empiece de nuevo directamente en { $service }.
refused_malformed = La solicitud no se puede leer y no se ha realizado.
refused_resume = Lo que iba a enviar ya se envió, ha caducado o pertenece a otra persona. No se ha vuelto a enviar.
refused_elsewhere = Lo que iba a enviar está guardado de forma segura, pero este servidor no puede acceder al lugar donde se encuentra. No se ha enviado y no se ha perdido. Inténtelo de nuevo en un momento, por favor.
refused_insecure = Esto requiere una conexión segura (https).
retry_in = Podrá intentarlo de nuevo dentro de unos { $minutes } { $minutes ->
    [one] minuto
   *[other] minutos
}.

# What shipped policies tell
tell_agent_not_a_machine = Este acceso es solo para programas registrados.
tell_agent_stale_token = El token de acceso es demasiado antiguo. Obtenga uno nuevo e inténtelo de nuevo.
tell_contact_refused = Sus datos de contacto no se han modificado. Si fue usted, llámenos, por favor.
tell_login_refused = No es posible iniciar sesión desde aquí.
tell_login_unusual = Este inicio de sesión es distinto de los habituales.
tell_reset_refused = La contraseña no se puede restablecer desde aquí.
tell_signup_refused = No es posible abrir una cuenta desde aquí.
tell_signup_robot = Demuestre que no es un robot, por favor.
tell_transfer_refused = Esta transferencia no se ha realizado. Llámenos, por favor.

# Setting up
title_methods = Métodos para confirmar su identidad
methods_none = Todavía no hay nada configurado.
methods_list = Métodos configurados
method_totp = Aplicación de autenticación, añadida el { $date }
method_recovery = Códigos de recuperación (quedan: { $left })
method_recovery_title = Códigos de recuperación
add_totp = Añadir una aplicación de autenticación
new_recovery = Crear nuevos códigos de recuperación
remove = Eliminar
remove_totp = Eliminar la aplicación de autenticación añadida el { $date }
title_add_totp = Añadir una aplicación de autenticación
scan = Escanee esta imagen con su aplicación de autenticación.
scan_alt = Código QR con la clave de configuración que se indica abajo
scan_key = O escriba esta clave en la aplicación:
scan_code = Después escriba los seis dígitos que muestra la aplicación
save = Guardar
event_change_how_you_confirm = Cambio de sus métodos de confirmación
cancel = Cancelar
title_recovery = Sus códigos de recuperación
recovery_once = Guarde estos códigos en un lugar seguro. Solo se muestran ahora. Cada uno sirve una sola vez, cuando no tenga su aplicación a mano.
recovery_kept = Los he guardado
enrol_refused = Esto no se puede configurar ahora. Inicie sesión de nuevo en un dispositivo que ya haya usado o use un método que ya esté configurado.
enrol_sign_in = Inicie sesión primero, por favor.
title_invited = Configure un método para confirmar su identidad
date = { $day }/{ $month }/{ $year }
number = 1.234.567,89

# Mail
mail_code_subject = Su código para { $service }
mail_code_intro = Alguien, esperamos que usted, está confirmando esto en { $service }:
mail_code_label = Su código:
mail_code_end = Es válido durante diez minutos y sirve una sola vez. No se lo diga nunca a nadie que le llame. Si no fue usted, no tiene que hacer nada; considere cambiar su contraseña.
mail_address_subject = Su dirección de correo en { $service } ha cambiado
mail_address_body = Se ha añadido una nueva dirección de correo a su cuenta en { $service }. Solo se enviarán códigos a ella pasadas 24 horas. Si no fue usted, póngase en contacto con { $service } de inmediato.
sms_message = { $code } es su código para { $service }. No se lo diga nunca a nadie que le llame.
voice_message = Esta es una llamada de { $service }. Su código es: { $code }. Repito: { $code }. No se lo diga nunca a nadie que le llame.
mail_phone_subject = El número de teléfono de su cuenta en { $service } ha cambiado
mail_phone_body = Se ha añadido un nuevo número de teléfono a su cuenta en { $service }. Solo se enviarán códigos a él pasadas 24 horas. Si no fue usted, póngase en contacto con { $service } de inmediato.
mail_methods_subject = Sus métodos de confirmación en { $service } han cambiado
mail_methods_added = Se ha configurado lo siguiente para su cuenta en { $service }: { $method }.
mail_methods_removed = Se ha eliminado lo siguiente de su cuenta en { $service }: { $method }.
mail_methods_renewed = Se han creado nuevos códigos de recuperación para su cuenta en { $service }. Los anteriores ya no son válidos.
mail_methods_reset = { $service } ha eliminado todos los métodos configurados en su cuenta para confirmar su identidad y ha cerrado su sesión en todas partes.
mail_notice_subject = Actividad en su cuenta de { $service }
mail_notice_intro = Esto ha ocurrido en su cuenta de { $service }:
mail_notice_passed_on = Se transmitió y puede haber tenido efecto.
mail_notice_asked = Se pidió una confirmación antes de continuar.
mail_notice_refused = No se ha realizado.
mail_notice_end = Si fue usted, no tiene que hacer nada. Si no, póngase en contacto con { $service } de inmediato.

# What is confirmed
event_admin_area = Administración
event_change_contact_data = Cambio de los datos de contacto
event_login = Inicio de sesión
event_logout = Cierre de sesión
event_password_reset = Nueva contraseña
event_sign_up = Apertura de cuenta
event_transfer_money = Transferencia de dinero
fact_amount = Importe
fact_email = Correo electrónico
fact_payee = Beneficiario
way_passkey = Llave de acceso
passkey_use = Usar su llave de acceso
passkey_hint = Confirme con su huella dactilar, su rostro o el bloqueo de su dispositivo.
passkey_none = Este navegador no admite llaves de acceso. Elija otro método o abra esta página en otro navegador, por favor.
passkey_no_script = Las llaves de acceso necesitan JavaScript. Actívelo y vuelva a cargar la página, o elija otro método.
passkey_stopped = No se ha usado ninguna llave de acceso. Puede intentarlo de nuevo o elegir otro método.
passkey_there = Este dispositivo ya tiene una llave de acceso para su cuenta.
passkey_wrong = No ha funcionado. Inténtelo de nuevo o elija otro método, por favor.
passkey_failed = No se ha podido configurar la llave de acceso. Inténtelo de nuevo, por favor.
passkey_about = Una llave de acceso confirma su identidad con su huella dactilar, su rostro o el bloqueo de su dispositivo. No se puede adivinar y solo funciona en este sitio.
passkey_label = Nombre (opcional)
passkey_label_hint = Para reconocerla en la lista, por ejemplo «mi teléfono».
passkey_make = Crear una llave de acceso
add_passkey = Añadir una llave de acceso
method_passkey = Llave de acceso, añadida el { $date }
method_passkey_named = Llave de acceso «{ $label }», añadida el { $date }
remove_passkey = Eliminar la llave de acceso añadida el { $date }
remove_passkey_named = Eliminar la llave de acceso «{ $label }» añadida el { $date }
event_app = Su solicitud

# Signing in at the customer's own identity provider
way_oidc = Iniciar sesión de nuevo
oidc_hint = Se le lleva a su página habitual de inicio de sesión y después vuelve aquí.
oidc_go = Iniciar sesión de nuevo
oidc_abandoned = No inició sesión. No se ha confirmado nada. Puede intentarlo de nuevo o elegir otro método.
oidc_unreachable = La página de inicio de sesión no responde en este momento. Inténtelo de nuevo en un momento.
oidc_unconfirmed = No se ha podido confirmar su inicio de sesión. Inténtelo de nuevo o elija otro método.
oidc_weak = Su inicio de sesión no era lo bastante seguro para esto. Inicie sesión de nuevo con su segundo factor o su llave de acceso, por favor.
oidc_old = Su último inicio de sesión fue hace demasiado tiempo. Inicie sesión de nuevo, por favor.
oidc_stale = Ese inicio de sesión ya se usó o tardó demasiado. Inicie sesión de nuevo, por favor.
oidc_often = Se le ha enviado muchas veces a la página de inicio de sesión. Espere unos minutos o elija otro método.
oidc_somebody_else = Allí inició sesión otra persona. Inicie sesión con la misma identidad que aquí.
way_id_document = Documento de identidad
way_push = Solicitud en su teléfono
id_document_hint = Tenga a mano su documento de identidad. Se le guiará por la comprobación y después volverá aquí.
id_document_go = Comprobar mi documento de identidad
id_document_pending = Se está comprobando su documento de identidad.
push_hint = Se envía una solicitud a la aplicación de su teléfono. Apruébela solo si fue usted quien la pidió aquí.
push_go = Enviar la solicitud
push_pending = Se ha enviado una solicitud a la aplicación de su teléfono, si está configurada allí. ¿No ha llegado nada? Elija otro método.
push_number = Compare este número con el que aparece en su teléfono, o elíjalo allí:
verify_review = Una persona está revisando sus documentos. Puede tardar un rato. Puede cerrar esta página y volver más tarde.
verify_updates = Esta página se actualiza sola.
verify_look = Mirar ahora
verify_back = Continuar con la comprobación
confirmed_late = Gracias, ha quedado confirmado. Lo que envió ya no se conserva aquí. Si no se ha realizado, vuelva atrás y envíelo otra vez; no se le volverá a preguntar.
verify_refused = La solicitud ha sido rechazada, así que no se ha confirmado nada.
verify_over = El proceso ha tardado demasiado o se ha interrumpido. No se ha confirmado nada; puede intentarlo de nuevo.
verify_often = Ha habido muchos intentos. Espere un rato o elija otro método, por favor.
verify_unreachable = Esto no es posible en este momento.

# Approval by a colleague: who asks, and who answers
way_approval = Aprobación de un compañero o una compañera
approval_hint = Se pide a una persona autorizada que lo revise. Sin su aprobación no se sigue adelante.
approval_go = Pedir aprobación
approval_pending = Se ha avisado a quienes pueden aprobarlo. Puede cerrar esta página y volver más tarde.
approval_withdraw = Retirar la solicitud
title_approvals = Aprobaciones
title_approval = ¿Aprueba esto?
approvals_none = No hay nada pendiente de su aprobación.
approvals_wait = Pendiente de su aprobación:
approval_who = Quién lo pide
approval_what = Para qué
approval_times = Pedido el { $asked }, espera hasta el { $until }.
approval_exact = Aprueba exactamente esto y nada más. Si no sabe por qué se le pide, rechácelo.
approval_approve = Aprobar con su llave de acceso
approval_refuse = Rechazar
approval_needs_passkey = Para aprobar esto necesita una llave de acceso. Puede añadir una aquí:
approval_approved = Está aprobado.
approval_refused = Se ha rechazado.
approval_withdrawn = Se ha retirado. Ya no hay nada que aprobar.
approval_expired = Ha caducado. Ya no hay nada que aprobar.
mail_approval_subject = Se pide su aprobación en { $service }
mail_approval_intro = Alguien pide su aprobación en { $service }:
mail_approval_end = Inicie sesión y revíselo aquí. Si no sabe por qué se le pide, rechácelo.
