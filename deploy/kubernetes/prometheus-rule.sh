#!/bin/sh
# Prints the rules of Prometheus as a resource of its operator:
#   deploy/kubernetes/prometheus-rule.sh | kubectl apply -f -
set -eu
cat <<'HEAD'
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: caseload
  namespace: caseload
  labels: { app.kubernetes.io/part-of: caseload }
spec:
HEAD
sed 's/^/  /' "$(dirname "$0")/../prometheus/rules.yaml"
