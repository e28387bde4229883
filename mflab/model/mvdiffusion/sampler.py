"""The noise schedule and DDIM sampler of the multi-view diffusion model, by diffusers."""

from diffusers.schedulers.scheduling_ddim import DDIMScheduler

from mflab.model.mvdiffusion.settings import NoiseSchedule


def make_scheduler(schedule: NoiseSchedule) -> DDIMScheduler:
    """The diffusers scheduler of a noise schedule: 1000 training steps, v-prediction."""
    if schedule is NoiseSchedule.cosine_zero_snr:
        return DDIMScheduler(
            num_train_timesteps=1000,
            beta_schedule="squaredcos_cap_v2",
            rescale_betas_zero_snr=True,
            timestep_spacing="trailing",
            prediction_type="v_prediction",
            clip_sample=False,
            set_alpha_to_one=True,
        )
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        timestep_spacing="leading",
        steps_offset=1,
        prediction_type="v_prediction",
        clip_sample=False,
        set_alpha_to_one=False,
    )
