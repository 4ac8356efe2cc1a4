"""The graph between a spec and its lowering: torch-free, typed, printable."""

from spec_compiler.ir.build import build_graph as build_graph
from spec_compiler.ir.graph import Graph as Graph
from spec_compiler.ir.graph import Node as Node
from spec_compiler.ir.graph import Value as Value
from spec_compiler.ir.graph import map_values as map_values
from spec_compiler.ir.graph import values_in as values_in
