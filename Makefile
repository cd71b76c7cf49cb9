# make demo   set up the grading install (no PyTorch) and grade a drawn archive
# make test   set up the development install and run the checks
# make test-tensorrt   prove on the CPU what becomes of the networks in TensorRT, in an environment of its own
# make train-demo   train a small model on drawn frames, build its engine, grade a drawn archive with it
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# torch-tensorrt-rtx beside the packages of $(VENV), which stay as they are
RTX_VENV ?= .venv-rtx

.PHONY: demo test test-tensorrt train-demo lint format bench clean

demo: $(VENV)/.grading
	$(BIN)/embryofrag demo --out demo

test: $(VENV)/.dev lint
	$(BIN)/python -m pytest

train-demo: $(VENV)/.dev
	$(BIN)/embryofrag phantom frames --out train-demo/frames --count 1600 --seed 1 --instrument embryoscope
	$(BIN)/embryofrag train train-demo/frames/manifest.csv --out train-demo/model --experiment C --init random \
	    --backbone resnet18 --width 0.5 --input-px 256 --lr 2e-3 --epochs 8 --patience 0 --batch-size 8 --precise-loss soft_bce
	$(BIN)/embryofrag phantom archive --out train-demo/drawn --seed 2
	$(BIN)/embryofrag grade train-demo/drawn/archive --out train-demo/results --model train-demo/model --overlays

test-tensorrt: $(VENV)/.dev
	@if $(MAKE) --no-print-directory $(RTX_VENV)/.ready; \
	then $(RTX_VENV)/bin/python -m pytest tests/tensorrt_rtx; \
	else echo "tests/tensorrt_rtx: skipped, torch-tensorrt-rtx cannot be installed here (the reason stands above)"; fi

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.bench
	$(BIN)/python tools/benchmark.py grade --out benchmark-grade.json
	$(BIN)/python tools/benchmark.py archive --out benchmark-archive.json
	$(BIN)/python tools/benchmark.py views --out benchmark-views.json
	$(BIN)/python tools/benchmark.py phantom --out benchmark-phantom.json
	$(BIN)/python tools/benchmark_report.py --out benchmark-report.json
	$(BIN)/python tools/benchmark_engines.py --out benchmark-engines.json

$(VENV)/.grading: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.dev: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

$(VENV)/.bench: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	touch $@

$(RTX_VENV)/.ready: $(VENV)/.dev
	$(PYTHON) -m venv $(RTX_VENV)
	$(BIN)/python -c "import sysconfig; print('import site; site.addsitedir(%r)' % sysconfig.get_path('purelib'))" \
	    > "$$($(RTX_VENV)/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/packages-of-dev.pth"
	$(RTX_VENV)/bin/python -m pip install --quiet --disable-pip-version-check torch-tensorrt-rtx==2.14.0
	touch $@

clean:
	rm -rf $(VENV) $(RTX_VENV) demo train-demo build dist .pytest_cache .hypothesis .ruff_cache
