"""Continue training a Sentence Transformers model on hard negatives that are mined anew between epochs.

    pip install 'negatives[sentence-transformers]' datasets accelerate
    python examples/mined_training.py PATH_OF_A_MODEL PATH_OF_A_COLLECTION OUT

The collection is a folder with corpus.jsonl, queries.jsonl and qrels/train.tsv. For data that is mined once, and for
other trainers, see ``negatives mine``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.losses import MultipleNegativesRankingLoss

from negatives.integrations.sentence_transformers import Remining
from negatives.mining import Mining
from negatives.mining.data import read_texts


def main(model_path: str, data: str, out: str) -> None:
    texts = read_texts(Path(data))
    model = SentenceTransformer(model_path, device="cpu", local_files_only=True)
    model.max_seq_length = 128
    negatives = Remining(
        texts.queries, texts.items, texts.positives, Mining(num_negatives=2, range_max=50, relative_margin=0.05), model
    )
    arguments = SentenceTransformerTrainingArguments(
        output_dir=out, num_train_epochs=2, per_device_train_batch_size=16, learning_rate=5e-5, report_to="none"
    )
    trainer = SentenceTransformerTrainer(
        model=model,
        args=arguments,
        train_dataset=negatives.dataset(),
        loss=MultipleNegativesRankingLoss(model),
        callbacks=[negatives.callback()],
    )
    trainer.train()
    model.save(out)
    print(f"mined {negatives.rounds} times, {negatives.filled} places filled at random in the last round")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
