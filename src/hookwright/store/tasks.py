"""Commands and queries about tasks in the background, and what they would do."""

import msgspec

from hookwright.domain.pages import Page, PageRequest
from hookwright.domain.tasks import Kind, Selection, Task, TaskState
from hookwright.store import Command, Query


class StartTask(Command[Task], frozen=True, kw_only=True):
    """Keep a task, to be carried out in slices and to survive a restart; `task` is its id.

    Raises NotFound, and BadRequest `limit_reached` when `most` tasks of the endpoint are running.
    """

    task: str
    kind: Kind
    application: str
    endpoint: str
    selection: Selection
    most: int
    now: int


class Continued(msgspec.Struct, frozen=True):
    """How many tasks went on, and the endpoints that have new rows."""

    tasks: int
    endpoints: tuple[str, ...]


class ContinueTasks(Command[Continued], frozen=True, kw_only=True):
    """One slice of every running task whose time has come and that nobody else is at.

    It looks at up to `limit` messages together, adds rounds, moves each task's mark in the same transaction, and says when its next
    slice may be: so that a task adds no more than its rate, or `rate` (messages a second) if it has none of its own. A task
    whose range is done is finished; one that cannot go on has failed.
    """

    now: int
    limit: int
    rate: int

    @property
    def weight(self) -> int:
        return self.limit


class NextSlice(Query[int | None], frozen=True, kw_only=True):
    """When the next slice of a running task may be (Unix ms); None: there is no such task."""

    urgent = True


class FindTask(Query[Task | None], frozen=True, kw_only=True):
    """With `application` (an id) only if it is that one's."""

    organization: str
    task: str
    application: str | None = None


class ListTasks(Query[Page[Task]], frozen=True, kw_only=True):
    """An organization's tasks, or those of one of its applications; None takes every kind and state."""

    organization: str
    page: PageRequest
    application: str | None = None
    kind: str | None = None
    states: frozenset[TaskState] | None = None


class CancelTask(Command[Task], frozen=True, kw_only=True):
    """End a running task; the answer is the task as it is then. One that has ended stays as it is. Raises NotFound."""

    organization: str
    task: str
    application: str | None = None
    now: int


class Glance(msgspec.Struct, frozen=True):
    """How many of the messages that were looked at would be sent again; `mark`: where to look on, None at the end."""

    messages: int
    mark: str | None


class LookAhead(Query[Glance], frozen=True, kw_only=True):
    """What a slice of a task would do, without doing it: of up to `limit` messages from `mark` (None: the beginning) on.

    Raises NotFound.
    """

    kind: Kind
    application: str
    endpoint: str
    selection: Selection
    mark: str | None = None
    limit: int
