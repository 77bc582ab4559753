"""Find what a student's notebook defines under a name, and all that it needs."""

import ast
import symtable


def top_level(notebook) -> list[ast.stmt]:
    """The statements of all code cells that can be parsed; lines with magics are left out."""
    statements = []
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        lines = (
            # A line with a magic keeps its indentation: it may be the only line of an `if`.
            line[: len(line) - len(line.lstrip())] + "pass"
            if line.lstrip().startswith(("%", "!", "?"))
            else line
            for line in cell.source.splitlines()
        )
        try:
            statements += ast.parse("\n".join(lines)).body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            # A cell that is not Python is left out; the others still count.
            continue
    return statements


def needed_for(name: str, statements: list[ast.stmt]) -> str | None:
    """The imports, definitions and assignments that ``name`` needs, in order; None without it."""
    makers = {}
    for i, statement in enumerate(statements):
        for made in names_made(statement):
            makers.setdefault(made, []).append(i)
    if name not in makers:
        return None
    wanted, open_names = set(), [name]
    while open_names:
        made = open_names.pop()
        # Only the last definition counts, as it would in the notebook.
        for i in makers.get(made, [])[-1:]:
            if i not in wanted:
                wanted.add(i)
                open_names += names_used(statements[i])
    wanted |= {i for i, s in enumerate(statements) if isinstance(s, ast.ImportFrom) and _star(s)}
    return "\n".join(ast.unparse(statements[i]) for i in sorted(wanted))


def names_made(statement: ast.stmt) -> set[str]:
    """The names that a top-level statement defines."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
        return {statement.name}
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).partition(".")[0] for alias in statement.names}
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        return {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}
    return set()


def names_used(statement: ast.stmt) -> set[str]:
    """The names that a statement takes from outside: not a function's own variables."""
    used, open_scopes = set(), [symtable.symtable(ast.unparse(statement), "<cell>", "exec")]
    while open_scopes:
        scope = open_scopes.pop()
        open_scopes += scope.get_children()
        top = scope.get_type() == "module"
        used |= {s.get_name() for s in scope.get_symbols() if top or s.is_global()}
    return used


def _star(statement: ast.ImportFrom) -> bool:
    return any(alias.name == "*" for alias in statement.names)
