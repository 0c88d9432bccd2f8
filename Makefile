# `make help` lists the targets; `make` alone runs the demo.
PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/python

DETECT := .venv-detect
DETECT_PYTHON ?= $(PYTHON)
D ?= $(if $(VIDEO)$(PHOTOS),phone_data,demo_data)
S ?= 1

.PHONY: help demo mesh phone calibrate detect test lint format clean
.DEFAULT_GOAL := demo

help:  ## this list
	@awk -F ':.*  ## ' '/^[a-z]+:.*  ## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(VENV)/.ready: requirements.txt requirements-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install -q -r requirements.txt -r requirements-dev.txt
	touch $@

demo: $(VENV)/.ready  ## set up, refine the shipped capture's hands, say what to look at (the default)
	$(RUN) check_data.py --data_path demo_data --scan_id 1
	$(RUN) pose_optim.py --data_path demo_data --scan_id 1
	$(RUN) mano_optim.py --data_path demo_data --scan_id 1
	$(RUN) mesh_sfs_optim.py --data_path demo_data --scan_id 1
	@echo
	@echo "Done. Look at:"
	@echo "  demo_out/check/1.png                 what the capture holds"
	@echo "  demo_out/keypoints3d/overlay_1/      keypoints: detected and triangulated"
	@echo "  demo_out/mano_out/overlay_1/         the parametric hands on the photos"
	@echo "  demo_out/demo_sfs/1/overlay/         the refined hands beside the photos"
	@echo "  demo_out/demo_sfs/1/losses.png       how the terms fell"
	@echo "  demo_out/demo_sfs/1/1.ply            the refined mesh with its albedo (MeshLab, Blender)"
	@echo "  demo_out/demo_sfs/1/1_left_tpose.obj, 1_right_tpose.obj   the hands un-posed"
	@echo
	@echo "All of it on one page, with the hands in 3D: open demo_out/demo_sfs/1/report.html in a browser"

mesh: $(VENV)/.ready $(DETECT)/.ready  ## photos and cameras to the refined mesh, what is missing detected: make mesh D=my_data S=1
	$(RUN) multihands_mano.py --data_path $(D) --scan_id $(S) --optim
	$(RUN) mesh_sfs_optim.py --data_path $(D) --scan_id $(S)

phone: $(VENV)/.calibrate $(DETECT)/.ready  ## a phone's video (or PHOTOS=folder) to the refined mesh: make phone VIDEO=film.mp4 [BOARD=charuco:5x7:30:22] D=my_data S=1
	@test -n "$(VIDEO)$(PHOTOS)" || { echo "name what you filmed: make phone VIDEO=film.mp4, or PHOTOS=folder"; exit 2; }
	$(RUN) calibrate_cameras.py --photos "$(or $(VIDEO),$(PHOTOS))" --data_path $(D) --scan_id $(S) $(if $(BOARD),--board $(BOARD)) $(CALIBRATE)
	$(RUN) detect_hands.py --data_path $(D) --scan_id $(S)
	$(RUN) pose_optim.py --data_path $(D) --scan_id $(S)
	$(RUN) mano_optim.py --data_path $(D) --scan_id $(S)
	$(RUN) mesh_sfs_optim.py --data_path $(D) --scan_id $(S)
	$(RUN) report.py --data_path $(D) --scan_id $(S)

calibrate: $(VENV)/.calibrate  ## what calibrate_cameras.py needs (pycolmap)

$(VENV)/.calibrate: $(VENV)/.ready requirements-calibrate.txt
	$(RUN) -m pip install -q -r requirements-calibrate.txt
	touch $@

detect: $(DETECT)/.ready  ## the hand detector's environment alone (Python 3.10 to 3.12: DETECT_PYTHON=python3.12)

$(DETECT)/.ready: requirements-detect.txt
	@$(DETECT_PYTHON) -c "import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))" || \
	    { echo "MediaPipe has wheels for Python 3.10 to 3.12 only: make detect DETECT_PYTHON=python3.12"; exit 1; }
	$(DETECT_PYTHON) -m venv $(DETECT)
	$(DETECT)/bin/python -m pip install -q --no-deps -r requirements-detect.txt
	$(DETECT)/bin/python -c "import mediapipe"
	touch $@

test: $(VENV)/.ready  ## the whole test suite
	$(RUN) -m pytest

lint: $(VENV)/.ready  ## name what is wrong with style and format
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

format: $(VENV)/.ready  ## mend style and format
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

clean:  ## remove the results of the demo and all caches
	rm -rf demo_out .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +
