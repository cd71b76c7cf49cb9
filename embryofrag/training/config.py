"""What a training run is: frozen records, stored beside the weights. `experiments` holds the ones that have a name."""

from dataclasses import asdict, dataclass, field, replace

from embryofrag.network.config import NetworkConfig

PARTS = ("backbone", "head", "head.to_latent", "decoder", "decoder.classify")
"""What can be trained or frozen: prefixes of parameter names."""
PRECISIONS = ("auto", "fp32", "bf16", "fp16")
PRECISE_LOSSES = ("l1", "soft_bce")
CROPS = ("frame", "embryo")
START = "init"
"""Where a phase starts that continues no earlier phase."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseConfig:
    """One uninterrupted optimisation: what trains, on which loss, for how long.

    The paper (arXiv 2511.18454, section III.C) gives the parts, the losses and the learning rates; epochs and
    patience are ours.

    Raises:
        ValueError: a field holds a value that no phase can run with.
    """

    name: str
    """Letter of the experiment whose weights this phase makes."""
    start: str = START
    """`START`, or the name of an earlier phase whose best weights this one continues."""
    trainable: tuple[str, ...] = ("backbone", "head", "decoder")
    """Of `PARTS`. All else is frozen, its BatchNorm in evaluation mode."""
    alpha: float = 1.0
    """Weight of L_seg; 0 leaves it out."""
    beta: float = 1.0
    """Weight of L_reg; 0 leaves it out."""
    gamma: float = 1.0
    """Weight of L_cons; 0 leaves it out."""
    lr: float = 1e-4
    """Peak learning rate of AdamW."""
    epochs: int = 60
    """Passes over the training rows, at most."""
    patience: int = 15
    """Epochs without a better validation loss after which the phase ends; 0: never."""
    views: int = 0
    """0: each epoch draws new augmentations. n: each frame has n augmented views, which the epochs show in turn."""
    cache: bool = False
    """Run the frozen part once over all views, and train from what it gave."""

    def __post_init__(self):
        if not self.trainable or not set(self.trainable) <= set(PARTS):
            raise ValueError(f"trainable must name some of {', '.join(PARTS)}, not {self.trainable!r}")
        if min(self.alpha, self.beta, self.gamma) < 0 or self.alpha + self.beta + self.gamma == 0:
            raise ValueError(
                f"alpha, beta, gamma must be at least 0 and not all 0, not {self.alpha}, {self.beta}, {self.gamma}"
            )
        if not 0 < self.lr < 1:
            raise ValueError(f"lr must be above 0 and below 1, not {self.lr!r}")
        if self.epochs < 1 or self.patience < 0 or self.views < 0:
            raise ValueError("epochs must be at least 1, patience and views at least 0")
        if self.cache and not self.can_cache:
            raise ValueError(
                f"phase {self.name}: features can be cached only of a frozen backbone and decoder (trainable: head, "
                "decoder.classify), without L_seg (alpha 0), and with a number of views"
            )

    @property
    def can_cache(self) -> bool:
        """Whether everything before the head and the classification layer is frozen and its input returns."""
        return set(self.trainable) <= {"head", "decoder.classify"} and self.alpha == 0 and self.views > 0

    @property
    def needs_masks(self) -> bool:
        """Whether the loss looks at the masks; without them the decoder does not run."""
        return self.alpha > 0 or self.gamma > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """A whole run: phases, and what they share. All figures that the paper does not give are our defaults.

    Raises:
        ValueError: a field holds a value that no run can start with.
    """

    experiment: str
    """Name in `experiments.EXPERIMENTS`."""
    phases: tuple[PhaseConfig, ...]
    """In the order they run."""
    module_a: str
    """Phase whose weights become module A, the masks."""
    module_b: str
    """Phase whose weights become module B, the ratio."""
    network: NetworkConfig = field(default_factory=NetworkConfig)
    init: str = "imagenet"
    """"imagenet", "random", or a ``.safetensors`` file."""
    crop: str = "frame"
    """What the networks look at: the whole frame, or a window around the embryo, which a locator finds when frames are
    graded; one of `CROPS`."""
    diameter_share: float = 0.72
    """Diameter of the embryo over the side of that window, 0..1: at 256 px an embryo of 92 px radius, with room for
    a locator that is a little wrong."""
    locator: str = ""
    """Model folder that the locator comes from, where `crop` is "embryo"."""
    scope: str = ""
    """Model folder whose module B says, for such a crop, whether it shows a cleavage-stage embryo; "": none does."""
    precise_loss: str = "l1"
    """L_reg on rows with a ratio: "l1" (the paper's), or "soft_bce" with a gradient also where the sigmoid is flat."""
    batch_size: int = 8
    """Frames a step of one process."""
    accumulate: int = 1
    """Batches whose gradients make one step of the optimiser."""
    weight_decay: float = 1e-4
    """Of weights; biases and BatchNorm have none."""
    warmup_frac: float = 0.05
    """Share of a phase's steps over which the learning rate rises, 0..1."""
    max_grad_norm: float = 5.0
    """Longer gradients are shortened to this length."""
    ema_decay: float = 0.99
    """Of the averaged weights that are validated and kept; 0: the last weights themselves."""
    precision: str = "auto"
    """Arithmetic of backbone and decoder: one of `PRECISIONS`. Head and losses are always fp32."""
    augment: bool = True
    """Random flips, turns, scales, greys, blur, noise, overlay boxes, debris on the training rows."""
    val_frac: float = 0.15
    """Share of the groups held out to choose the epoch, 0..1."""
    test_frac: float = 0.15
    """Share of the groups held out for the figures of the model card, 0..1."""
    scheme: str = "regdeeplab"
    """Grade scheme of the manifest."""
    num_workers: int = 1
    """Processes that read and augment frames."""
    seed: int = 0
    """Of weights, split, order and augmentation."""

    def __post_init__(self):
        names = [phase.name for phase in self.phases]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"phases must have different names, not {names!r}")
        for index, phase in enumerate(self.phases):
            if phase.start not in (START, *names[:index]):
                raise ValueError(f"phase {phase.name} starts from {phase.start!r}, which is no earlier phase")
        if not {self.module_a, self.module_b} <= set(names):
            raise ValueError(f"module_a and module_b must name phases of {names!r}")
        if self.precise_loss not in PRECISE_LOSSES:
            raise ValueError(f"precise_loss must be one of {', '.join(PRECISE_LOSSES)}, not {self.precise_loss!r}")
        if self.crop not in CROPS:
            raise ValueError(f"crop must be one of {', '.join(CROPS)}, not {self.crop!r}")
        if (self.crop == "embryo") != bool(self.locator):
            raise ValueError("a crop of the embryo needs a locator, and whole frames have none")
        if self.scope and self.crop != "embryo":
            raise ValueError("a scope module looks at a crop of the embryo: choose crop embryo, or leave it out")
        if not 0.3 <= self.diameter_share <= 0.95:
            raise ValueError(f"diameter_share must lie in 0.3..0.95, not at {self.diameter_share!r}")
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, not {self.precision!r}")
        if self.batch_size < 2:
            raise ValueError(f"batch_size must be at least 2 (BatchNorm of pooled features), not {self.batch_size}")
        if self.accumulate < 1 or self.num_workers < 0 or self.weight_decay < 0 or self.max_grad_norm <= 0:
            raise ValueError("accumulate, num_workers, weight_decay and max_grad_norm must not be negative or 0")
        if not (0 <= self.warmup_frac < 1 and 0 <= self.ema_decay < 1):
            raise ValueError("warmup_frac and ema_decay must be at least 0 and below 1")
        if self.val_frac <= 0 or self.test_frac < 0 or self.val_frac + self.test_frac >= 1:
            raise ValueError("val_frac must be above 0, test_frac at least 0, and their sum below 1")

    def lineage(self, name: str) -> tuple[PhaseConfig, ...]:
        """Return the phases that lead to the weights of phase `name`, first to last."""
        phase = next(phase for phase in self.phases if phase.name == name)
        return (phase,) if phase.start == START else (*self.lineage(phase.start), phase)

    def to_dict(self) -> dict:
        """Return the record as JSON values."""
        phases = [asdict(phase) | {"trainable": list(phase.trainable)} for phase in self.phases]
        return asdict(self) | {"phases": phases, "network": self.network.to_dict()}


def change_phases(config: TrainConfig, **changes: object) -> TrainConfig:
    """Return the run with the same changes made to each of its phases, such as ``epochs=5``.

    Raises:
        ValueError: a phase cannot run so.
    """
    return replace(config, phases=tuple(replace(phase, **changes) for phase in config.phases))
