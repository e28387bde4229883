"""A world in which a step costs milliseconds: what is left of a sweep's time is what running it costs."""

TINY_SIZE, TINY_TRAIN, TINY_VAL = 16, 4, 2
# Plain Ray Tune measures nothing beside the single views of the validation set.
ROWS_OF_VIEWS_ALONE = ("validation.consistency_scenes=0", "validation.prior_scenes=0", "validation.train_scenes=0")
TINY = (
    "model.weights=none",
    "model.unet.widths=[8,8]",
    "model.unet.attention=[false,true]",
    "model.unet.num_heads=[2,2]",
    "model.unet.norm_groups=4",
    "model.unet.cross_attention_dim=16",
    "prompts.width=16",
    f"data.size={TINY_SIZE}",
    f"data.num_train={TINY_TRAIN}",
    f"data.num_val={TINY_VAL}",
    "train.batch_size=2",
    "optim.warmup_steps=1",
    "validation.num_scenes=1",
    "validation.sampling_steps=1",
    "validation.num_images=0",
    "validation.lpips=none",
    *ROWS_OF_VIEWS_ALONE,
)
