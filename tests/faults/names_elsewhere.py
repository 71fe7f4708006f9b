"""Entries of config.json that name code, another repository or another file, by what hubslice does with them."""

from __future__ import annotations

KERNEL = "owner/kernel"
QUANTIZED = {"quant_method": "fp8", "activation_scheme": "dynamic"}

# Left out, and told: how the network computes, not what. Each key that transformers' configs have for it.
LEFT_OUT: dict[str, dict[str, object]] = {
    "a kernel": {"_attn_implementation": KERNEL},
    "a kernel, by the public name": {"attn_implementation": KERNEL},
    "a kernel, by the internal name": {"_attn_implementation_internal": KERNEL},
    "a kernel's function at a revision": {"_attn_implementation": f"{KERNEL}@main:forward"},
    "a paged kernel": {"_attn_implementation": f"paged|{KERNEL}"},
    "a kernel for a part": {"_attn_implementation": {"": KERNEL, "vision_config": KERNEL}},
    "a kernel in a part": {"vision_config": {"_attn_implementation": KERNEL}},
    "flash attention 2": {"attn_implementation": "flash_attention_2"},
    "flash attention 3": {"_attn_implementation": "flash_attention_3"},
    "flex attention": {"_attn_implementation": "flex_attention"},
    "a number": {"_attn_implementation": 3},
    "experts": {"experts_implementation": "deepgemm"},
    "experts, by the other name": {"_experts_implementation": KERNEL},
    "kernels of layers": {"use_kernels": True},
    "a table of kernels": {"kernel_config": {"kernel_mapping": {"RMSNorm": f"{KERNEL}:RMSNorm"}}},
    "fused layers": {"fusion_config": {"patch_embeddings": True}},
    "pipelines": {"custom_pipelines": {"see": {"impl": "see.See", "pt": ["AutoModel"]}}},
    "generation": {"custom_generate": KERNEL},
}

# Taken as they are: nothing is behind them but what is here.
KEPT: dict[str, dict[str, object]] = {
    "sdpa": {"_attn_implementation": "sdpa"},
    "eager": {"attn_implementation": "eager"},
    "eager, part by part": {"_attn_implementation": {"": "eager", "vision_config": "sdpa"}},
    "none": {"_attn_implementation": None, "auto_map": None, "quantization_config": None, "transformers_weights": None},
    "no kernels": {"use_kernels": False, "trust_remote_code": False},
    "where it was saved": {"_name_or_path": "owner/elsewhere", "name_or_path": "owner/elsewhere"},
    "types": {"dtype": "float16", "torch_dtype": "bfloat16"},
    "a pretrained backbone": {"use_pretrained_backbone": True, "use_timm_backbone": True},
    "the usual weights": {"transformers_weights": "model.safetensors"},
    "a tokenizer": {"tokenizer_class": "ElsewhereTokenizer"},
}

# Refused, each with a phrase of the message.
REFUSED: dict[str, tuple[dict[str, object], str]] = {
    "code": ({"auto_map": {"AutoModel": f"{KERNEL}--model.Model"}}, "code of its own (auto_map)"),
    "code in a part": ({"text_config": {"auto_map": {"AutoConfig": "c.C"}}}, "code of its own (auto_map)"),
    "trust": ({"trust_remote_code": True}, "code of its own (trust_remote_code)"),
    "other weights": ({"transformers_weights": "other.safetensors"}, "has transformers_weights: 'other.safetensors'"),
    "an adapter": ({"transformers_weights": "adapter_model.bin"}, "has transformers_weights: 'adapter_model.bin'"),
    "other configs": ({"configuration_files": ["config.4.0.0.json"]}, "has configuration_files: ['config.4.0.0.json']"),
    "quantised": ({"quantization_config": QUANTIZED}, "has quantization_config: {'quant_method': 'fp8'"),
    "quantised, in the old way": ({"compression_config": QUANTIZED}, "has compression_config"),
    "a backbone on the Hub": ({"backbone": "owner/net"}, "has backbone: 'owner/net', a network in another repository"),
    "timm's backbone": ({"backbone": "hf-hub:owner/net"}, "has backbone: 'hf-hub:owner/net'"),
    "a backbone elsewhere": ({"backbone": "local-dir:/etc"}, "has backbone: 'local-dir:/etc'"),
    "a part on the Hub": (
        {"vision_config": {"model_type": "timm_wrapper", "architecture": "HF_HUB:owner/net"}},
        "has architecture: 'HF_HUB:owner/net'",
    ),
    "a part's file": (
        {"vision_config": {"model_type": "timm_wrapper", "model_args": {"checkpoint_path": "/etc/passwd"}}},
        "gives timm the argument 'checkpoint_path'",
    ),
}

# Whole configs of networks with a backbone that transformers would ask the Hub about: refused.
BACKBONES: dict[str, dict[str, object]] = {
    "maskformer": {"architectures": ["MaskFormerForInstanceSegmentation"], "backbone": "resnet50"},
    "upernet": {
        "architectures": ["UperNetForSemanticSegmentation"],
        "backbone": "resnet50",
        "use_timm_backbone": True,
        "use_pretrained_backbone": True,
    },
    "detr": {
        "architectures": ["DetrForObjectDetection"],
        "backbone": "resnet18",
        "backbone_kwargs": {"out_indices": [1]},
    },
}

# What timm's configs say of where weights once came from: not followed, since they are here.
SOURCES: dict[str, object] = {
    "source": "hf-hub",
    "hf_hub_id": "owner/net",
    "hf_hub_filename": "other.bin",
    "url": "https://example.invalid/other.pth",
    "file": "/nowhere/other.bin",
    "custom_load": "hf",
    "state_dict": {"x": 1},
}
