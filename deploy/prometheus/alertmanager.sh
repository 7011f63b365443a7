#!/bin/sh
# Writes Alertmanager's configuration of the environment, then runs the command
# that it is given. Secrets go into files of their own, which its pages do not show.
set -eu
umask 077
dir=${ALERT_DIR:-/tmp}
quote() { printf "'%s'" "$(printf %s "$1" | sed "s/'/''/g")"; }
{
  cat <<'YAML'
route:
  receiver: operator
  group_by: [alertname]
  group_wait: 30s
  group_interval: 5m
  repeat_interval: 12h
  routes:
    - matchers: ['severity="page"']
      receiver: operator
      repeat_interval: 1h
receivers:
  - name: operator
YAML
  if [ -n "${ALERT_WEBHOOK_URL:-}" ]; then
    printf %s "$ALERT_WEBHOOK_URL" >"$dir/webhook"
    printf '    webhook_configs:\n      - url_file: %s\n' "$(quote "$dir/webhook")"
  fi
  if [ -n "${ALERT_EMAIL_TO:-}" ]; then
    printf '    email_configs:\n      - to: %s\n' "$(quote "$ALERT_EMAIL_TO")"
    printf '        from: %s\n' "$(quote "${ALERT_EMAIL_FROM:?the sender of the mails}")"
    printf '        smarthost: %s\n' "$(quote "${ALERT_SMTP:?host:port of the mail server}")"
    if [ -n "${ALERT_SMTP_USER:-}" ]; then
      printf %s "${ALERT_SMTP_PASSWORD:?of ALERT_SMTP_USER}" >"$dir/smtp"
      printf '        auth_username: %s\n        auth_password_file: %s\n' "$(quote "$ALERT_SMTP_USER")" "$(quote "$dir/smtp")"
    fi
  fi
} >"$dir/alertmanager.yml"
if [ -z "${ALERT_WEBHOOK_URL:-}${ALERT_EMAIL_TO:-}" ]; then
  echo "Nobody is told of alerts: set ALERT_WEBHOOK_URL or ALERT_EMAIL_TO in .env. They only stand on Alertmanager's page." >&2
fi
exec "$@"
