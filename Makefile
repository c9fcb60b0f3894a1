# The commands of this project; "make help" lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help lab lab-down evidence packages venv lint lint-ansible lint-yaml lint-python unit molecule test bench bench-memory

export PATH := $(CURDIR)/.venv/bin:$(PATH)
LOCALHOST := ansible-playbook -i localhost,

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' Makefile
	@echo
	@echo "  LAB_NODES=3               number of nodes, 2 to 20"
	@echo "  LAB_ENGINE=keydb          or valkey, redis; unset: KeyDB where a package can be had, else Valkey"
	@echo "  LAB_KEYDB_ARCHIVE=FILE    a KeyDB tarball; unset: looked for in ~/.cache/keydb-lab"
	@echo "  BENCH_ROUNDS=3            and BENCH_ENGINES, BENCH_CONTENDERS, BENCH_QUICK=1, …: see make bench BENCH=--help"
	@echo "  LAB_RECORDING=DIR         judge the nodes as the board that was recorded there; see tests/hardware/boards"
	@echo "  LAB_DISK_MB=2048          size of each node's disk for its data; 0: none of its own"
	@echo "  LAB_MONITORING=1          exporters on every node, Prometheus with alerts on the last one"
	@echo "  LAB_MANAGEMENT_CIDR=NET   network of SSH, 10.76.0.0/24; LAB_CLUSTER_CIDR=NET the engine's, 10.77.0.0/24"

# One line per step; set ANSIBLE_STDOUT_CALLBACK=default for Ansible's own output.
lab lab-down evidence: export ANSIBLE_STDOUT_CALLBACK ?= steps

lab: venv ## start the hosts, provision them, show what they do; repeat it at will
	@$(LOCALHOST) playbooks/lab_up.yml
	@ansible-playbook -i .lab/inventory playbooks/site.yml
	@ansible-playbook -i .lab/inventory playbooks/status.yml
	@echo
	@echo "What to type next:"
	@echo "  ssh -F .lab/ssh_config node2 journalctl -u observer-listener-sync -f     latencies as they come"
	@echo "  .venv/bin/ansible-playbook -i .lab/inventory playbooks/verify.yml        prove that all of it holds"
	@echo "  .venv/bin/ansible-playbook -i .lab/inventory playbooks/status.yml        the table again"
	@echo "  make lab-down                                                            take it all away"

lab-down: venv ## remove exactly what "make lab" made
	@$(LOCALHOST) playbooks/lab_down.yml

# A playbook fails where something does not hold, which is for the report to say, of this run's own results alone.
EVIDENCE := check_hosts.yml network_matrix.yml verify.yml "bench.yml -e bench_scale=small" \
  "faults.yml -e faults_count=6" capture.yml
INVENTORY := $(or $(LAB_STATE_DIR),.lab)/inventory

evidence: venv ## measure and break the lab, small, and report: 25 minutes on two cores
	@$(LOCALHOST) playbooks/lab_up.yml
	@ansible-playbook -i $(INVENTORY) playbooks/site.yml
	@rm -f results/*/latest.json
	@for step in $(EVIDENCE); do \
	  echo "==> $$step"; \
	  ansible-playbook -i $(INVENTORY) playbooks/$$step || echo "==> $$step has found something; the report says what"; \
	done
	@ansible-playbook playbooks/report.yml

test: venv ## all tests: lint, unit, molecule
	@scripts/run_tests.py lint unit molecule

lint: lint-ansible lint-yaml lint-python ## ansible-lint, yamllint, ruff, mypy

lint-ansible: venv
	ansible-lint -q
lint-yaml: venv
	yamllint --strict .
lint-python: venv
	ruff check --quiet
	ruff format --check --quiet
	mypy

unit: venv ## tests that need no hosts
	pytest --ignore tests/nodes --junit-xml results/tests/unit.xml tests

molecule: venv ## the whole site.yml on three systemd containers, for every engine that can be had
	@scripts/run_tests.py molecule

BENCHMARK := PYTHONPATH=app:app/src python -m bench

bench: venv ## how many events the observers take, and how late: about 25 minutes, without the lab
	@$(BENCHMARK) $(BENCH)

bench-memory: venv ## whether their memory stays flat, at half of the rates that "make bench" found
	@$(BENCHMARK) --memory-only $(BENCH)

packages: ## Debian packages that the lab and the tests need
	@scripts/install-packages

venv: packages ## Python environment in .venv
	@scripts/make-venv

# The controller's, and what a node needs at run time, for every Python and architecture.
requirements.lock: requirements.in app/pyproject.toml ## (needs uv)
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url \
	  --custom-compile-command "make requirements.lock" --output-file $@ requirements.in app/pyproject.toml
	uv pip compile --quiet --universal --generate-hashes --python-version 3.10 --no-emit-index-url \
	  --custom-compile-command "make requirements.lock" --output-file app/$@ app/pyproject.toml
