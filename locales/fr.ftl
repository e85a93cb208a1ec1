error_prefix = Erreur
reference = Référence
back_to_service = Continuer vers { $service }

# Asking
title_confirm = Confirmez votre identité
why = { $service } vous demande une confirmation avant de poursuivre :
why_bound = Vous confirmez exactement ceci. Si un élément diffère de ce que vous avez saisi, ne continuez pas.
code_label = Code à six chiffres
totp_label = Code de votre application d’authentification
totp_hint = Ouvrez votre application d’authentification et saisissez les six chiffres affichés.
email_label = Code reçu par e-mail
email_hint = Si une adresse e-mail est enregistrée, un code à six chiffres vient de lui être envoyé. Il est valable dix minutes.
email_send = Recevoir un code par e-mail
email_send_hint = Un code à six chiffres sera envoyé à l’adresse e-mail enregistrée, s’il y en a une.
email_again = Envoyer un nouveau code
email_trouble = L’e-mail n’a pas pu être envoyé : le serveur de messagerie ne répond pas. Veuillez demander un nouveau code dans un instant.
email_trouble_other = Vous pouvez aussi choisir une autre méthode.
email_late = Si vous recevez malgré tout un code à six chiffres, saisissez-le ici. Il est valable dix minutes.
email_wait = Un code vient d’être envoyé. Veuillez attendre { $seconds } { $seconds ->
    [one] seconde
   *[other] secondes
} avant d’en demander un autre.
sms_label = Code reçu par SMS
sms_hint = Si un numéro de téléphone est enregistré, un SMS contenant un code à six chiffres vient de lui être envoyé. Il est valable dix minutes.
sms_send = Recevoir un code par SMS
sms_send_hint = Un code à six chiffres sera envoyé au numéro de téléphone enregistré, s’il y en a un.
sms_again = Envoyer un nouveau SMS
voice_label = Code entendu au téléphone
voice_hint = Si un numéro de téléphone est enregistré, il va sonner et une voix énoncera six chiffres. Ils sont valables dix minutes.
voice_send = Recevoir un code par appel
voice_send_hint = Le numéro de téléphone enregistré, s’il y en a un, sera appelé et six chiffres seront énoncés.
voice_again = Rappeler
captcha_hint = Veuillez montrer que vous n’êtes pas un robot, puis confirmez.
captcha_other = Afficher un autre test
captcha_trouble = Le test anti-robot ne peut pas être affiché pour le moment.
captcha_unheard = Le test n’a pas pu être vérifié. En voici un autre.
recovery_label = Code de secours
recovery_hint = Saisissez l’un des codes de secours que vous avez conservés. Chacun ne sert qu’une fois.
pow_title = Vérification de votre navigateur
pow_hint = Votre navigateur résout un petit calcul. Cela prend quelques secondes et vous n’avez rien à faire.
pow_no_script = Cette vérification nécessite JavaScript. Veuillez l’activer et recharger la page, ou choisir une autre méthode.
pow_start = Lancer la vérification
confirm = Confirmer
other_ways = Autre méthode
way_totp = Application d’authentification
way_email_code = Code par e-mail
way_sms_code = Code par SMS
way_voice_code = Code par appel téléphonique
way_captcha = Test anti-robot
way_recovery_code = Code de secours
way_pow = Vérification du navigateur
wrong = Cela n’a pas fonctionné. Vérifiez votre saisie et réessayez.
locked_method = Trop de réponses incorrectes. Cette méthode est bloquée pendant encore { $minutes } { $minutes ->
    [one] minute
   *[other] minutes
}. Vous pouvez utiliser une autre méthode.

# Afterwards
title_confirmed = Confirmé
confirmed_go_on = Merci. Appuyez sur le bouton pour reprendre là où vous en étiez.
confirmed_close = Merci. Vous pouvez reprendre là où vous en étiez.
confirmed_again = Merci. Votre envoi n’a pas pu être conservé. Veuillez revenir en arrière et l’envoyer de nouveau ; aucune confirmation ne vous sera redemandée.
already_confirmed = Vous avez déjà confirmé cette étape.
continue_to = Continuer vers { $service }
title_gone = Cette étape est terminée
gone = Elle a expiré ou a été terminée ailleurs. Rien n’a été envoyé. Veuillez recommencer.

# Refusing
title_refused = Cette opération est impossible pour le moment
title_locked = Temporairement bloqué
title_busy = Trop de demandes
title_unavailable = Veuillez réessayer dans un instant
refused = Votre demande n’a pas été exécutée. Si vous avez besoin d’aide, indiquez la référence ci-dessous.
refused_locked = Il y a eu trop de tentatives infructueuses. Veuillez réessayer plus tard.
refused_rate = C’était trop rapide. Veuillez patienter un peu, puis réessayer.
refused_unavailable = Nous ne pouvons pas vérifier votre demande en ce moment. Elle n’a pas été exécutée.
refused_cross_site = La demande provenait d’un autre site et n’a pas été exécutée. Veuillez recommencer directement sur { $service }.
refused_malformed = La demande est illisible et n’a pas été exécutée.
refused_resume = Ce que vous alliez envoyer a déjà été envoyé, a expiré ou appartient à quelqu’un d’autre. Rien n’a été renvoyé.
refused_elsewhere = Ce que vous alliez envoyer est conservé en sécurité, mais ce serveur ne parvient pas à joindre l’endroit où se trouve votre envoi. Rien n’a été envoyé et rien n’est perdu. Veuillez réessayer dans un instant.
refused_insecure = Une connexion sécurisée (https) est nécessaire.
retry_in = Vous pourrez réessayer dans environ { $minutes } { $minutes ->
    [one] minute
   *[other] minutes
}.

# What shipped policies tell
tell_agent_not_a_machine = Cet accès est réservé aux programmes enregistrés.
tell_agent_stale_token = Le jeton d’accès est trop ancien. Obtenez-en un nouveau et réessayez.
tell_contact_refused = Vos coordonnées n’ont pas été modifiées. Si la demande venait de vous, veuillez nous appeler.
tell_login_refused = Il n’est pas possible de se connecter d’ici.
tell_login_unusual = Cette connexion diffère de vos connexions habituelles.
tell_reset_refused = Le mot de passe ne peut pas être réinitialisé d’ici.
tell_signup_refused = Il n’est pas possible d’ouvrir un compte d’ici.
tell_signup_robot = Veuillez montrer que vous n’êtes pas un robot.
tell_transfer_refused = Ce virement n’a pas été exécuté. Veuillez nous appeler.

# Setting up
title_methods = Vos méthodes de confirmation
methods_none = Rien n’est encore configuré.
methods_list = Méthodes configurées
method_totp = Application d’authentification, ajoutée le { $date }
method_recovery = Codes de secours (restants : { $left })
method_recovery_title = Codes de secours
add_totp = Ajouter une application d’authentification
new_recovery = Créer de nouveaux codes de secours
remove = Supprimer
remove_totp = Supprimer l’application d’authentification ajoutée le { $date }
title_add_totp = Ajouter une application d’authentification
scan = Scannez cette image avec votre application d’authentification.
scan_alt = Code QR contenant la clé de configuration indiquée ci-dessous
scan_key = Ou saisissez cette clé dans l’application :
scan_code = Saisissez ensuite les six chiffres affichés par l’application
save = Enregistrer
event_change_how_you_confirm = Modification de vos méthodes de confirmation
cancel = Annuler
title_recovery = Vos codes de secours
recovery_once = Conservez ces codes en lieu sûr. Ils ne sont affichés que maintenant. Chacun ne sert qu’une fois, lorsque vous n’avez pas votre application.
recovery_kept = Je les ai conservés
enrol_refused = La configuration est impossible pour le moment. Reconnectez-vous sur un appareil que vous avez déjà utilisé, ou utilisez une méthode déjà configurée.
enrol_sign_in = Veuillez d’abord vous connecter.
title_invited = Configurez une méthode de confirmation
date = { $day }/{ $month }/{ $year }
number = 1 234 567,89

# Mail
mail_code_subject = Votre code pour { $service }
mail_code_intro = Quelqu’un, vous-même nous l’espérons, confirme ceci sur { $service } :
mail_code_label = Votre code :
mail_code_end = Il est valable dix minutes et ne sert qu’une fois. Ne le communiquez jamais à une personne qui vous appelle. Si ce n’était pas vous, vous n’avez rien à faire ; pensez à changer votre mot de passe.
mail_address_subject = Votre adresse e-mail chez { $service } a été modifiée
mail_address_body = Une nouvelle adresse e-mail a été ajoutée à votre compte chez { $service }. Les codes n’y seront envoyés qu’après 24 heures. Si ce n’était pas vous, veuillez contacter { $service } immédiatement.
sms_message = { $code } est votre code pour { $service }. Ne le communiquez jamais à une personne qui vous appelle.
voice_message = Ceci est un appel de { $service }. Votre code est : { $code }. Je répète : { $code }. Ne le communiquez jamais à une personne qui vous appelle.
mail_phone_subject = Le numéro de téléphone de votre compte chez { $service } a été modifié
mail_phone_body = Un nouveau numéro de téléphone a été ajouté à votre compte chez { $service }. Les codes n’y seront envoyés qu’après 24 heures. Si ce n’était pas vous, veuillez contacter { $service } immédiatement.
mail_methods_subject = Vos méthodes de confirmation chez { $service } ont été modifiées
mail_methods_added = Cette méthode a été configurée pour votre compte chez { $service } : { $method }.
mail_methods_removed = Cette méthode a été supprimée de votre compte chez { $service } : { $method }.
mail_methods_renewed = De nouveaux codes de secours ont été créés pour votre compte chez { $service }. Les anciens ne sont plus valables.
mail_methods_reset = { $service } a supprimé toutes les méthodes de confirmation configurées pour votre compte et vous a déconnecté partout.
mail_notice_subject = Activité sur votre compte chez { $service }
mail_notice_intro = Ceci s’est produit sur votre compte chez { $service } :
mail_notice_passed_on = La demande a été transmise et peut avoir pris effet.
mail_notice_asked = Une confirmation a été demandée avant de poursuivre.
mail_notice_refused = La demande n’a pas été exécutée.
mail_notice_end = Si c’était vous, vous n’avez rien à faire. Sinon, veuillez contacter { $service } immédiatement.

# What is confirmed
event_admin_area = Administration
event_change_contact_data = Modification des coordonnées
event_login = Connexion
event_logout = Déconnexion
event_password_reset = Nouveau mot de passe
event_sign_up = Ouverture de compte
event_transfer_money = Virement
fact_amount = Montant
fact_email = Adresse e-mail
fact_payee = Bénéficiaire
way_passkey = Clé d’accès
passkey_use = Utiliser votre clé d’accès
passkey_hint = Confirmez avec votre empreinte digitale, votre visage ou le verrouillage de votre appareil.
passkey_none = Ce navigateur ne prend pas en charge les clés d’accès. Veuillez choisir une autre méthode ou ouvrir cette page dans un autre navigateur.
passkey_no_script = Les clés d’accès nécessitent JavaScript. Veuillez l’activer et recharger la page, ou choisir une autre méthode.
passkey_stopped = Aucune clé d’accès n’a été utilisée. Vous pouvez réessayer ou choisir une autre méthode.
passkey_there = Cet appareil possède déjà une clé d’accès pour votre compte.
passkey_wrong = Cela n’a pas fonctionné. Veuillez réessayer ou choisir une autre méthode.
passkey_failed = La clé d’accès n’a pas pu être configurée. Veuillez réessayer.
passkey_about = Une clé d’accès confirme votre identité grâce à votre empreinte digitale, votre visage ou le verrouillage de votre appareil. Elle ne peut pas être devinée et ne fonctionne que sur ce site.
passkey_label = Nom (facultatif)
passkey_label_hint = Pour la reconnaître dans la liste, par exemple « mon téléphone ».
passkey_make = Créer une clé d’accès
add_passkey = Ajouter une clé d’accès
method_passkey = Clé d’accès, ajoutée le { $date }
method_passkey_named = Clé d’accès « { $label } », ajoutée le { $date }
remove_passkey = Supprimer la clé d’accès ajoutée le { $date }
remove_passkey_named = Supprimer la clé d’accès « { $label } » ajoutée le { $date }
event_app = Votre demande

# Signing in at the customer's own identity provider
way_oidc = Se reconnecter
oidc_hint = Votre page de connexion habituelle va s’ouvrir ; vous reviendrez ensuite ici.
oidc_go = Se reconnecter
oidc_abandoned = La connexion n’a pas eu lieu. Rien n’a été confirmé. Vous pouvez réessayer ou choisir une autre méthode.
oidc_unreachable = La page de connexion ne répond pas pour le moment. Veuillez réessayer dans un instant.
oidc_unconfirmed = Votre connexion n’a pas pu être confirmée. Veuillez réessayer ou choisir une autre méthode.
oidc_weak = Votre connexion n’était pas assez forte pour cette opération. Veuillez vous reconnecter avec votre second facteur ou votre clé d’accès.
oidc_old = Votre dernière connexion est trop ancienne. Veuillez vous reconnecter.
oidc_stale = Cette connexion a déjà été utilisée ou a pris trop de temps. Veuillez vous reconnecter.
oidc_often = Vous avez été dirigé très souvent vers la page de connexion. Veuillez attendre quelques minutes ou choisir une autre méthode.
oidc_somebody_else = Une autre personne s’y est connectée. Veuillez vous connecter sous la même identité qu’ici.
way_id_document = Pièce d’identité
way_push = Demande sur votre téléphone
id_document_hint = Munissez-vous de votre pièce d’identité. La vérification se fait étape par étape ; vous reviendrez ensuite ici.
id_document_go = Vérifier ma pièce d’identité
id_document_pending = Votre pièce d’identité est en cours de vérification.
push_hint = Une demande est envoyée à l’application sur votre téléphone. Ne l’approuvez que si c’est vous qui l’avez faite ici.
push_go = Envoyer la demande
push_pending = Une demande a été envoyée à l’application sur votre téléphone, si elle y est configurée. Vous n’avez rien reçu ? Choisissez une autre méthode.
push_number = Comparez ce nombre avec celui affiché sur votre téléphone, ou choisissez-le sur celui-ci :
verify_review = Une personne examine vos documents. Cela peut prendre un certain temps. Vous pouvez fermer cette page et revenir plus tard.
verify_updates = Cette page s’actualise automatiquement.
verify_look = Voir maintenant
verify_back = Poursuivre la vérification
confirmed_late = Merci, l’étape est confirmée. Votre envoi n’est plus conservé ici. S’il n’a pas été exécuté, revenez en arrière et envoyez-le de nouveau ; aucune confirmation ne vous sera redemandée.
verify_refused = La demande a été refusée ; rien n’a donc été confirmé.
verify_over = Cela a pris trop de temps ou a été interrompu. Rien n’a été confirmé ; vous pouvez réessayer.
verify_often = Il y a eu de très nombreuses tentatives. Veuillez patienter un moment ou choisir une autre méthode.
verify_unreachable = Cette opération est impossible pour le moment.

# Approval by a colleague: who asks, and who answers
way_approval = Approbation par un ou une collègue
approval_hint = Une personne habilitée est invitée à examiner cette demande. Sans son approbation, rien n’est exécuté.
approval_go = Demander l’approbation
approval_pending = Les personnes habilitées ont été prévenues. Vous pouvez fermer cette page et revenir plus tard.
approval_withdraw = Retirer la demande
title_approvals = Approbations
title_approval = Approuvez-vous ceci ?
approvals_none = Rien n’attend votre approbation.
approvals_wait = En attente de votre approbation :
approval_who = Qui demande
approval_what = Pour quoi
approval_times = Demandé le { $asked }, en attente jusqu’au { $until }.
approval_exact = Vous approuvez exactement ceci et rien d’autre. Si vous ne savez pas pourquoi on vous le demande, refusez.
approval_approve = Approuver avec votre clé d’accès
approval_refuse = Refuser
approval_needs_passkey = Pour approuver, il vous faut une clé d’accès. Vous pouvez en ajouter une ici :
approval_approved = C’est approuvé.
approval_refused = Cela a été refusé.
approval_withdrawn = Cela a été retiré. Il n’y a plus rien à approuver.
approval_expired = Cela a expiré. Il n’y a plus rien à approuver.
mail_approval_subject = Votre approbation est demandée sur { $service }
mail_approval_intro = Quelqu’un demande votre approbation sur { $service } :
mail_approval_end = Connectez-vous et examinez la demande ici. Si vous ne savez pas pourquoi on vous le demande, refusez.
