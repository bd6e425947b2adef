"""ExportProfilesServiceRequest as rows of the tables `profiles`, `profile_samples`, `profile_nodes`, `profile_frames`."""

from workbench.formats.otlp.requests import parsed


def validate(payload: bytes) -> int:
    """Parse fully, throw away, and tell how many samples there were.

    Raises:
        BadInput: the payload does not parse.
    """
    request = parsed("profiles", payload)
    return sum(
        len(profile.samples)
        for resource in request.resource_profiles
        for scope in resource.scope_profiles
        for profile in scope.profiles
    )
