error_prefix = Erro
reference = Referência
back_to_service = Continuar para { $service }

# Asking
title_confirm = Confirme a sua identidade
why = { $service } pede uma confirmação antes de continuar com:
why_bound = Esta confirmação vale exatamente para isto. Se algo não corresponder ao que informou, não continue.
code_label = Código de seis dígitos
totp_label = Código do seu aplicativo de autenticação
totp_hint = Abra o seu aplicativo de autenticação e digite os seis dígitos que ele mostra.
email_label = Código recebido por e-mail
email_hint = Se houver um endereço de e-mail cadastrado, foi enviado para ele um código de seis dígitos, válido por dez minutos.
email_send = Receber um código por e-mail
email_send_hint = Um código de seis dígitos será enviado para o endereço de e-mail cadastrado, se houver.
email_again = Enviar outro código
email_trouble = Não foi possível enviar o e-mail: o servidor de e-mail não responde. Peça outro código daqui a pouco, por favor.
email_trouble_other = Também pode escolher outro método.
email_late = Se mesmo assim receber um código de seis dígitos, digite-o aqui. É válido por dez minutos.
email_wait = Um código acabou de ser enviado. Aguarde { $seconds } { $seconds ->
    [one] segundo
   *[other] segundos
} antes de pedir outro, por favor.
sms_label = Código recebido por SMS
sms_hint = Se houver um número de telefone cadastrado, foi enviado para ele um SMS com um código de seis dígitos, válido por dez minutos.
sms_send = Receber um código por SMS
sms_send_hint = Um código de seis dígitos será enviado para o número de telefone cadastrado, se houver.
sms_again = Enviar outro SMS
voice_label = Código da ligação
voice_hint = Se houver um número de telefone cadastrado, ele tocará e uma voz dirá seis dígitos, válidos por dez minutos.
voice_send = Receber um código por ligação
voice_send_hint = Ligaremos para o número de telefone cadastrado, se houver, e diremos seis dígitos.
voice_again = Ligar novamente
captcha_hint = Mostre que não é um robô e depois confirme, por favor.
captcha_other = Mostrar outro teste
captcha_trouble = O teste contra robôs não pode ser mostrado neste momento.
captcha_unheard = Não foi possível verificar o teste. Aqui está outro.
recovery_label = Código de recuperação
recovery_hint = Digite um dos códigos de recuperação que guardou. Cada um serve uma única vez.
pow_title = Verificação do seu navegador
pow_hint = O seu navegador resolve um pequeno cálculo. Isso leva alguns segundos e não é preciso fazer nada.
pow_no_script = Esta verificação precisa de JavaScript. Ative-o e recarregue a página, ou escolha outro método.
pow_start = Iniciar a verificação
confirm = Confirmar
other_ways = Outro método
way_totp = Aplicativo de autenticação
way_email_code = Código por e-mail
way_sms_code = Código por SMS
way_voice_code = Código por ligação telefônica
way_captcha = Teste contra robôs
way_recovery_code = Código de recuperação
way_pow = Verificação do navegador
wrong = Não funcionou. Verifique o que digitou e tente novamente.
locked_method = Muitas respostas incorretas. Este método ficará bloqueado por mais { $minutes } { $minutes ->
    [one] minuto
   *[other] minutos
}. Pode usar outro método.

# Afterwards
title_confirmed = Confirmado
confirmed_go_on = Agradecemos. Pressione o botão para continuar de onde parou.
confirmed_close = Agradecemos. Pode continuar de onde parou.
confirmed_again = Agradecemos. Não foi possível guardar o que enviou. Volte e envie novamente; a confirmação não será pedida outra vez.
already_confirmed = Esta etapa já foi confirmada.
continue_to = Continuar para { $service }
title_gone = Esta etapa terminou
gone = Ela expirou ou foi concluída em outro lugar. Nada foi enviado. Comece novamente, por favor.

# Refusing
title_refused = Isto não é possível neste momento
title_locked = Bloqueado temporariamente
title_busy = Solicitações em excesso
title_unavailable = Tente novamente em instantes
refused = A sua solicitação não foi realizada. Se precisar de ajuda, informe a referência abaixo.
refused_locked = Houve muitas tentativas sem sucesso. Tente novamente mais tarde, por favor.
refused_rate = Foi rápido demais. Aguarde um pouco e tente novamente, por favor.
refused_unavailable = Não podemos verificar a sua solicitação neste momento. Ela não foi realizada.
refused_cross_site = A solicitação veio de outro site e não foi realizada. Comece novamente diretamente em { $service }.
refused_malformed = A solicitação não pôde ser lida e não foi realizada.
refused_resume = O que ia enviar já foi enviado, expirou ou pertence a outra pessoa. Nada foi enviado novamente.
refused_elsewhere = O que ia enviar está guardado com segurança, mas este servidor não consegue acessar o local onde se encontra. Não foi enviado e não se perdeu. Tente novamente em instantes, por favor.
refused_insecure = É necessária uma conexão segura (https).
retry_in = Pode tentar novamente em cerca de { $minutes } { $minutes ->
    [one] minuto
   *[other] minutos
}.

# What shipped policies tell
tell_agent_not_a_machine = Este acesso é apenas para programas registrados.
tell_agent_stale_token = O token de acesso é muito antigo. Obtenha um novo e tente novamente.
tell_contact_refused = Os seus dados de contato não foram alterados. Se o pedido foi seu, ligue para nós, por favor.
tell_login_refused = Não é possível entrar a partir daqui.
tell_login_unusual = Este acesso é diferente dos seus acessos habituais.
tell_reset_refused = A senha não pode ser redefinida a partir daqui.
tell_signup_refused = Não é possível abrir uma conta a partir daqui.
tell_signup_robot = Mostre que não é um robô, por favor.
tell_transfer_refused = Esta transferência não foi realizada. Ligue para nós, por favor.

# Setting up
title_methods = Métodos para confirmar a sua identidade
methods_none = Nada foi configurado ainda.
methods_list = Métodos configurados
method_totp = Aplicativo de autenticação, adicionado em { $date }
method_recovery = Códigos de recuperação (restantes: { $left })
method_recovery_title = Códigos de recuperação
add_totp = Adicionar um aplicativo de autenticação
new_recovery = Criar novos códigos de recuperação
remove = Remover
remove_totp = Remover o aplicativo de autenticação adicionado em { $date }
title_add_totp = Adicionar um aplicativo de autenticação
scan = Leia esta imagem com o seu aplicativo de autenticação.
scan_alt = Código QR com a chave de configuração escrita abaixo
scan_key = Ou digite esta chave no aplicativo:
scan_code = Depois digite os seis dígitos que o aplicativo mostra
save = Salvar
event_change_how_you_confirm = Alteração dos seus métodos de confirmação
cancel = Cancelar
title_recovery = Os seus códigos de recuperação
recovery_once = Guarde estes códigos em um lugar seguro. Eles só são mostrados agora. Cada um serve uma única vez, quando o aplicativo não estiver à mão.
recovery_kept = Já os guardei
enrol_refused = Isto não pode ser configurado agora. Entre novamente em um dispositivo que já tenha usado ou use um método já configurado.
enrol_sign_in = Entre na sua conta primeiro, por favor.
title_invited = Configure um método para confirmar a sua identidade
date = { $day }/{ $month }/{ $year }
number = 1.234.567,89

# Mail
mail_code_subject = O seu código para { $service }
mail_code_intro = Alguém, esperamos que seja você, está confirmando isto em { $service }:
mail_code_label = O seu código:
mail_code_end = É válido por dez minutos e serve uma única vez. Nunca o informe a quem ligar para você. Se não foi você, não precisa fazer nada; considere trocar a sua senha.
mail_address_subject = O seu endereço de e-mail em { $service } foi alterado
mail_address_body = Um novo endereço de e-mail foi adicionado à sua conta em { $service }. Os códigos só serão enviados para ele após 24 horas. Se não foi você, entre em contato com { $service } imediatamente.
sms_message = { $code } é o seu código para { $service }. Nunca o informe a quem ligar para você.
voice_message = Esta é uma ligação de { $service }. O seu código é: { $code }. Repetindo: { $code }. Nunca o informe a quem ligar para você.
mail_phone_subject = O número de telefone da sua conta em { $service } foi alterado
mail_phone_body = Um novo número de telefone foi adicionado à sua conta em { $service }. Os códigos só serão enviados para ele após 24 horas. Se não foi você, entre em contato com { $service } imediatamente.
mail_methods_subject = Os seus métodos de confirmação em { $service } foram alterados
mail_methods_added = Isto foi configurado para a sua conta em { $service }: { $method }.
mail_methods_removed = Isto foi removido da sua conta em { $service }: { $method }.
mail_methods_renewed = Novos códigos de recuperação foram criados para a sua conta em { $service }. Os antigos não valem mais.
mail_methods_reset = { $service } removeu todos os métodos configurados na sua conta para confirmar a sua identidade e encerrou a sua sessão em todos os dispositivos.
mail_notice_subject = Atividade na sua conta em { $service }
mail_notice_intro = Isto aconteceu na sua conta em { $service }:
mail_notice_passed_on = Foi encaminhado e pode ter tido efeito.
mail_notice_asked = Foi pedida uma confirmação antes de continuar.
mail_notice_refused = Não foi realizado.
mail_notice_end = Se foi você, não precisa fazer nada. Se não foi, entre em contato com { $service } imediatamente.

# What is confirmed
event_admin_area = Administração
event_change_contact_data = Alteração dos dados de contato
event_login = Entrada na conta
event_logout = Saída da conta
event_password_reset = Nova senha
event_sign_up = Abertura de conta
event_transfer_money = Transferência de dinheiro
fact_amount = Valor
fact_email = Endereço de e-mail
fact_payee = Favorecido
way_passkey = Chave de acesso
passkey_use = Usar a sua chave de acesso
passkey_hint = Confirme com a sua impressão digital, o seu rosto ou o bloqueio do seu dispositivo.
passkey_none = Este navegador não permite usar chaves de acesso. Escolha outro método ou abra esta página em outro navegador, por favor.
passkey_no_script = As chaves de acesso precisam de JavaScript. Ative-o e recarregue a página, ou escolha outro método.
passkey_stopped = Nenhuma chave de acesso foi usada. Pode tentar novamente ou escolher outro método.
passkey_there = Este dispositivo já tem uma chave de acesso para a sua conta.
passkey_wrong = Não funcionou. Tente novamente ou escolha outro método, por favor.
passkey_failed = Não foi possível configurar a chave de acesso. Tente novamente, por favor.
passkey_about = Uma chave de acesso confirma a sua identidade com a sua impressão digital, o seu rosto ou o bloqueio do seu dispositivo. Ela não pode ser adivinhada e só funciona neste site.
passkey_label = Nome (opcional)
passkey_label_hint = Para reconhecê-la na lista, por exemplo “meu telefone”.
passkey_make = Criar uma chave de acesso
add_passkey = Adicionar uma chave de acesso
method_passkey = Chave de acesso, adicionada em { $date }
method_passkey_named = Chave de acesso “{ $label }”, adicionada em { $date }
remove_passkey = Remover a chave de acesso adicionada em { $date }
remove_passkey_named = Remover a chave de acesso “{ $label }” adicionada em { $date }
event_app = A sua solicitação

# Signing in at the customer's own identity provider
way_oidc = Entrar novamente
oidc_hint = A sua página de acesso habitual será aberta e depois voltará para cá.
oidc_go = Entrar novamente
oidc_abandoned = O acesso não foi concluído. Nada foi confirmado. Pode tentar novamente ou escolher outro método.
oidc_unreachable = A página de acesso não responde neste momento. Tente novamente em instantes.
oidc_unconfirmed = Não foi possível confirmar o seu acesso. Tente novamente ou escolha outro método.
oidc_weak = O seu acesso não foi forte o bastante para isto. Entre novamente com o seu segundo fator ou a sua chave de acesso.
oidc_old = O seu último acesso foi há muito tempo. Entre novamente, por favor.
oidc_stale = Esse acesso já foi usado ou demorou demais. Entre novamente, por favor.
oidc_often = A página de acesso foi aberta muitas vezes. Aguarde alguns minutos ou escolha outro método.
oidc_somebody_else = Outra pessoa entrou ali. Entre com a mesma identidade que usa aqui.
way_id_document = Documento de identidade
way_push = Solicitação no seu telefone
id_document_hint = Tenha à mão o seu documento de identidade. Faça a verificação passo a passo; depois voltará para cá.
id_document_go = Verificar o meu documento de identidade
id_document_pending = O seu documento de identidade está sendo verificado.
push_hint = Uma solicitação é enviada ao aplicativo no seu telefone. Só a aprove se foi você quem a fez aqui.
push_go = Enviar a solicitação
push_pending = Uma solicitação foi enviada ao aplicativo no seu telefone, se ele estiver configurado lá. Não chegou nada? Escolha outro método.
push_number = Compare este número com o que aparece no seu telefone ou escolha-o lá:
verify_review = Uma pessoa está analisando os seus documentos. Isso pode demorar um pouco. Pode fechar esta página e voltar depois.
verify_updates = Esta página se atualiza sozinha.
verify_look = Ver agora
verify_back = Continuar com a verificação
confirmed_late = Agradecemos, está confirmado. O que enviou não está mais guardado aqui. Se não foi realizado, volte e envie novamente; a confirmação não será pedida outra vez.
verify_refused = A solicitação foi recusada, por isso nada foi confirmado.
verify_over = O processo demorou demais ou foi interrompido. Nada foi confirmado; pode tentar novamente.
verify_often = Houve muitas tentativas. Aguarde um pouco ou escolha outro método, por favor.
verify_unreachable = Isto não é possível neste momento.

# Approval by a colleague: who asks, and who answers
way_approval = Aprovação de um colega
approval_hint = Pede-se a quem o pode aprovar que o veja. Sem aprovação, não continua.
approval_go = Pedir aprovação
approval_pending = Quem o pode aprovar foi avisado. Pode fechar esta página e voltar mais tarde.
approval_withdraw = Retirar o pedido
title_approvals = Aprovações
title_approval = Aprova isto?
approvals_none = Nada aguarda a sua aprovação.
approvals_wait = Aguardam a sua aprovação:
approval_who = Quem pede
approval_what = Para quê
approval_times = Pedido em { $asked }, aguarda até { $until }.
approval_exact = Aprova exatamente isto e mais nada. Se não sabe porque lhe é pedido, recuse.
approval_approve = Aprovar com a sua chave de acesso
approval_refuse = Recusar
approval_needs_passkey = Para aprovar precisa de uma chave de acesso. Pode adicionar uma aqui:
approval_approved = Está aprovado.
approval_refused = Foi recusado.
approval_withdrawn = Foi retirado. Já não há nada para aprovar.
approval_expired = Expirou. Já não há nada para aprovar.
mail_approval_subject = A sua aprovação é pedida em { $service }
mail_approval_intro = Alguém pede a sua aprovação em { $service }:
mail_approval_end = Inicie sessão e veja o pedido aqui. Se não sabe porque lhe é pedido, recuse.
