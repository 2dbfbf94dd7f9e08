"""Words for the names of the demonstration's people, companies and machines."""

from __future__ import annotations

from typing import Final

__all__ = ["COMPANY_FIRST", "COMPANY_LAST", "FIRST_NAMES", "GPU_PROFILES", "LAST_NAMES", "MODELS", "PROVIDERS"]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST_NAMES: Final = _words(
    "Ada Adrien Aïcha Alice Amara Amélie Ana Andrej Anna Antoine Beatriz Ben Bruno Camille Carlos Chiara Chloé Clara "
    "Daan David Diego Elena Elif Elsa Emil Emma Enzo Erik Eva Fatima Felix Finn Florian Freja Gabriel Giulia Greta "
    "Hana Hannah Hugo Ida Ines Ingrid Isabel Ivan Jakub Jan Jana João Jonas José Julia Kamal Karim Katarina Kofi Lars "
    "Laura Lea Leila Léo Liam Lina Louis Lucas Lucía Luka Maja Malik Manon Marco Maria Marta Mateo Mehdi Mia Milan "
    "Mira Mohamed Nadia Nicolas Nina Noah Nora Olga Oliver Omar Oscar Paul Pavel Petra Priya Rafael Raj Rania Rosa "
    "Sami Samuel Sara Sofia Stefan Tariq Theo Tomás Vera Victor Viktor Wei Yara Yasmine Yuki Zoë"
)

LAST_NAMES: Final = _words(
    "Almeida Andersen Bauer Becker Benali Berg Bernard Bianchi Blanc Bonnet Brandt Carvalho Castillo Chevalier Cohen "
    "Colombo Costa Dahl Delgado Diallo Dubois Dupont Eriksson Esposito Faure Ferrari Fischer Fontaine Fournier Garcia "
    "Gautier Girard Gómez Greco Haddad Hansen Hartmann Herrera Hoffmann Horvat Ivanova Jansen Janssen Jensen Johansson "
    "Kaya Keller Khan Kim Klein Kovács Kowalski Krüger Lambert Larsen Laurent Lefèvre Lehmann Lindqvist López Marchand "
    "Marino Martin Meier Mendes Mensah Mercier Meyer Moreau Moreno Morel Müller Nguyen Nielsen Novak Okafor Olsen "
    "Pereira Perrin Petit Popescu Ramos Renard Ricci Rivera Robin Romano Rossi Roux Ruiz Santos Schmitt Schneider "
    "Silva Simon Singh Sørensen Tanaka Traoré Vargas Vasseur Vidal Virtanen Vogel Wagner Weber Yilmaz Zhang Ziegler"
)

COMPANY_FIRST: Final = _words(
    "Alder Amber Aurora Basalt Beacon Birch Borealis Cedar Cobalt Copper Coral Delta Ember Falcon Fjord Garnet Glacier "
    "Granite Harbor Hazel Helios Indigo Iris Juniper Kestrel Lagoon Larch Lumen Lynx Maple Meridian Mistral Nimbus "
    "Nordic Oak Onyx Opal Orchid Osprey Pine Polar Quartz Raven Saffron Sequoia Slate Solstice Sparrow Summit Tamarind "
    "Tern Thistle Tundra Umber Verdant Vesper Willow Zenith"
)

COMPANY_LAST: Final = _words(
    "Analytics Biotech Capital Commerce Consulting Diagnostics Energy Foods Games Health Imaging Insurance Labs Legal "
    "Logistics Media Mobility Pharma Publishing Research Retail Robotics Software Studios Systems Travel"
)

PROVIDERS: Final = (
    "Alpine GPU",
    "Baltic Compute",
    "Cumulus Bare Metal",
    "Fennec Cloud",
    "Loire Datacenter",
    "Own racks",
)

# (name on a hub, gigabytes of memory, context)
MODELS: Final = (
    ("meta-llama/Llama-3.1-8B-Instruct", 18, 131072),
    ("meta-llama/Llama-3.3-70B-Instruct", 150, 131072),
    ("mistralai/Mistral-7B-Instruct-v0.3", 16, 32768),
    ("mistralai/Mistral-Small-24B-Instruct-2501", 55, 32768),
    ("mistralai/Mixtral-8x7B-Instruct-v0.1", 96, 32768),
    ("Qwen/Qwen2.5-7B-Instruct", 17, 131072),
    ("Qwen/Qwen2.5-32B-Instruct", 70, 131072),
    ("Qwen/Qwen2.5-Coder-32B-Instruct", 70, 131072),
    ("google/gemma-2-9b-it", 20, 8192),
    ("google/gemma-2-27b-it", 58, 8192),
    ("microsoft/phi-4", 30, 16384),
    ("deepseek-ai/DeepSeek-R1-Distill-Qwen-14B", 32, 131072),
    ("deepseek-ai/DeepSeek-R1-Distill-Llama-70B", 150, 131072),
    ("BAAI/bge-m3", 3, 8192),
    ("intfloat/multilingual-e5-large", 3, 512),
    ("openai/whisper-large-v3", 4, 448),
)

# (profile, gigabytes of memory, euros an hour)
GPU_PROFILES: Final = (
    ("1x L4 24GB", 24, "0.7500"),
    ("1x L40S 48GB", 48, "1.4000"),
    ("1x A100 80GB", 80, "1.9500"),
    ("2x A100 80GB", 160, "3.9000"),
    ("1x H100 80GB", 80, "2.7300"),
    ("2x H100 80GB", 160, "5.4600"),
    ("8x H100 80GB", 640, "21.8400"),
)
